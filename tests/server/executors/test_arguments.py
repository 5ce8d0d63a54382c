"""Values of parameters: checked, and then one literal argument or stdin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql import ArgumentError
from novaql.server.executors.arguments import check_values, command_of, stdin_of
from novaql.server.executors.config import ExecutorConfig
from tests.support.executors.shells import ISOLATIONS, executor_of, never

ANY = {"pattern": "(?s).*", "max_bytes": 1000}
HOSTILE = (
    "; rm -rf /",
    "$(id)",
    "`id`",
    "a b  c",
    "a\nb",
    "${HOME}",
    "{value}",
    "{other}",
    "a' \"b",
    "*",
    "~",
    "\\",
    "%s%n",
    "é€😀",
    "",
    "> /tmp/x",
    "&& id |",
)


def config_of(parameter: dict[str, Any], **more: Any) -> ExecutorConfig:
    table = {"command": ["/bin/echo", "--", "{value}"], "parameters": {"value": parameter}}
    return ExecutorConfig.model_validate({**table, **more})


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ({"pattern": "[a-z]+"}, "ab;", "does not match"),
        ({"pattern": "[a-z]+"}, "ab\n", "does not match"),
        ({"pattern": "[a-z]+"}, "", "does not match"),
        ({"pattern": ".*"}, "a\nb", "does not match"),
        ({"pattern": "a|b"}, "ab", "does not match"),
        ({"pattern": ".*", "max_bytes": 4}, "éé!", "longer than 4 bytes"),
        ({"pattern": "(?s).*"}, "a\0b", "NUL"),
        ({"pattern": ".*"}, "-rf", "must not begin with `-`"),
        ({"pattern": ".*"}, "--option=x", "must not begin with `-`"),
        ({"pattern": "(?s).*"}, "\ud800", "not valid Unicode"),
    ],
)
def test_invalid_values(parameter: dict[str, Any], value: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message) as raised:
        check_values(config_of(parameter), {"value": value})

    assert raised.value.args[0].startswith("value")


def test_a_value_with_a_dash_where_it_is_allowed() -> None:
    check_values(config_of({"pattern": "-?[0-9]+", "leading_dash": True}), {"value": "-5"})


def test_every_parameter_is_needed_and_no_other() -> None:
    with pytest.raises(ArgumentError, match="is missing"):
        check_values(config_of(ANY), {})
    with pytest.raises(ArgumentError, match="no such parameter"):
        check_values(config_of(ANY), {"value": "", "other": ""})


def test_a_pattern_takes_linear_time() -> None:
    with pytest.raises(ArgumentError, match="does not match"):
        check_values(config_of({"pattern": "(a*)*b", "max_bytes": 65_536}), {"value": "a" * 60_000})


@given(st.text(st.characters(codec="utf-8"), max_size=100))
def test_a_value_is_one_argument_and_stdin(value: str) -> None:
    as_stdin = config_of(ANY, command=["/bin/cat"], stdin="{value}")
    as_json = config_of(ANY, command=["/bin/cat"], stdin="json")

    assert command_of(config_of(ANY), {"value": value}) == ["/bin/echo", "--", value]
    assert stdin_of(as_stdin, {"value": value}) == value.encode()
    assert json.loads(stdin_of(as_json, {"value": value})) == {"value": value}
    assert stdin_of(config_of(ANY), {"value": value}) == b""


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_hostile_values_arrive_as_they_are(tmp_path: Path, isolation: str) -> None:
    executor = executor_of(
        tmp_path, ["/usr/bin/printf", "[%s]", "{value}"], {"value": ANY}, isolation=isolation
    )

    for value in HOSTILE:
        outcome = executor.run({"value": value}, timeout_s=20, cancelled=never)
        assert (outcome.status, outcome.output) == ("succeeded", f"[{value}]"), outcome


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_refused_values_start_nothing(tmp_path: Path, isolation: str) -> None:
    executor = executor_of(
        tmp_path, ["/usr/bin/printf", "{value}"], {"value": ANY}, isolation=isolation
    )

    for value in ("--version", "-v", "a\0b"):
        with pytest.raises(ArgumentError):
            executor.run({"value": value}, timeout_s=20, cancelled=never)


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_stdin_arrives(tmp_path: Path, isolation: str) -> None:
    text = {"pattern": "(?s).*", "max_bytes": 65_536}
    executor = executor_of(
        tmp_path, ["/bin/cat"], {"value": text}, stdin="{value}", isolation=isolation
    )
    value = "line\n" * 12_000  # more than a pipe holds at once together with the output

    outcome = executor.run({"value": value}, timeout_s=20, cancelled=never)

    assert outcome.output == value


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_program_that_does_not_read_stdin(tmp_path: Path, isolation: str) -> None:
    text = {"pattern": "(?s).*", "max_bytes": 65_536}
    executor = executor_of(
        tmp_path, ["/bin/true"], {"value": text}, stdin="{value}", isolation=isolation
    )

    outcome = executor.run({"value": "x" * 65_536}, timeout_s=20, cancelled=never)

    assert outcome.status == "succeeded"
