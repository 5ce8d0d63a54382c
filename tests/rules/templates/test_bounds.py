"""Templates end: in time, in memory, and in nothing but text or a problem."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.rules.templates import TemplateProblem, expand_alert_template, parse_alert_template
from novaql.rules.templates.functions import FUNCTION_NAMES


def expanded(text: str, value: float = 1.0) -> str:
    return expand_alert_template(
        text,
        {"job": "api"},
        value,
        query=lambda expr: [({"job": "api"}, value)] * 1000,
        time_ms=0,
        external_labels={},
        external_url="http://localhost:9090/prom",
    )


ENDLESS = {
    "steps": "{{ range 1000000 }}{{ end }}",
    "nested": "{{ range query `x` }}{{ range query `x` }}{{ end }}{{ end }}",
    "output": '{{ range 100000 }}{{ printf "%9000d" 1 }}{{ end }}',
    "width": '{{ printf "%999999999d" 1 }}',
    "recursion": '{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" 1 }}',
    "replacing": "{{ reReplaceAll `` (printf `%9999d` 1) (printf `%9999d` 1) }}",
    "groups": "{{ match `" + "(" * 3000 + ")" * 3000 + "` `` }}",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_has_no_end_fails(name: str) -> None:
    assert expanded(ENDLESS[name]).startswith("<error expanding template: ")


@pytest.mark.parametrize("text", ["{{(" * 3000, "{{if 1}}" * 3000, "{{" + "(" * 3000])
def test_deep_nesting_is_a_problem(text: str) -> None:
    with pytest.raises(TemplateProblem):
        parse_alert_template(text)


@given(st.text(alphabet="{}$.()|:=-/*\"`' \nabelnifrdgxw01_", max_size=60))
def test_any_text_parses_or_is_a_located_problem(text: str) -> None:
    try:
        parse_alert_template(text)
    except TemplateProblem as problem:
        position = problem.position
    else:
        position = 0
    assert 0 <= position <= len(text)


ARGUMENT = st.sampled_from(
    [
        "1",
        "-1",
        "1.5",
        '"a"',
        '""',
        "true",
        "nil",
        "$labels",
        "$value",
        "(query `x`)",
        ".",
        "(query `x` | first)",
        "(args 1 2)",
        "(toTime 1.0)",
        "(toDuration 1.0)",
        '"("',
        '"%d"',
        '"%x"',
        '"\\xff"',
        '"${²}"',
        "0x7fffffffffffffff",
    ]
)


@given(st.sampled_from(sorted(FUNCTION_NAMES)), st.lists(ARGUMENT, max_size=4), st.floats())
def test_any_call_gives_a_text(name: str, arguments: list[str], value: float) -> None:
    """No argument, of whatever kind, gets out as another exception."""
    text = expanded(f"{{{{ {name} {' '.join(arguments)} }}}}", value)

    assert isinstance(text, str)


@pytest.mark.parametrize("number", ["0x" + "f" * 4000, "1" + "0" * 400, "0x8000000000000000"])
def test_an_integer_of_more_than_64_bits_is_a_problem(number: str) -> None:
    with pytest.raises(TemplateProblem, match="is too large"):
        parse_alert_template(f"{{{{ {number} }}}}")
    assert expanded(f"{{{{ humanize {number} }}}}").startswith("<error expanding template: ")


def test_the_smallest_and_the_largest_integer() -> None:
    assert expanded("{{ 0x7fffffffffffffff }}") == "9223372036854775807"
    assert expanded("{{ -9223372036854775808 }}") == "-9223372036854775808"


BYTES = {
    'len "a\\xff"': "2",
    'index "\\xff" 0': "255",
    'slice "a\\xff" 0 1': "a",
    'printf "%x" "\\xff"': "ff",
    'urlquery "\\xff"': "%FF",
    'urlQueryEscape "\\xff"': "%FF",
    'match "." "\\xff"': "true",
    'match "\\xff" "a"': "false",
    'reReplaceAll "a" "b" "a\\xff"': "b\ufffd",
    'reReplaceAll "a" "\\xff" "a"': "\ufffd",
}


@pytest.mark.parametrize("call", BYTES)
def test_bytes_that_are_no_utf8(call: str) -> None:
    assert expanded(f"{{{{ {call} }}}}") == BYTES[call]


@pytest.mark.parametrize("reference", ["$²", "${²}"])
def test_what_is_no_reference_to_a_group(reference: str) -> None:
    assert expanded(f'{{{{ reReplaceAll "(a)" "[{reference}]" "a" }}}}') == f"[{reference}]"


@pytest.mark.parametrize("number", ["9" * 5000, "01", "2", "b"])
def test_a_group_that_a_pattern_does_not_have(number: str) -> None:
    assert expanded(f'{{{{ reReplaceAll "(?P<a>a)" "[${{{number}}}$a$$]" "a" }}}}') == "[a$]"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300, -1e300, 5e-324])
def test_any_number_is_shown(value: float) -> None:
    names = ["humanize", "humanize1024", "humanizeDuration", "humanizePercentage"]
    for name in [*names, "humanizeTimestamp", "print"]:
        assert expanded(f"{{{{ {name} $value }}}}", value)


def test_nothing_of_python_is_in_reach() -> None:
    for field in ("__class__", "fields", "kind"):
        assert "there is no field" in expanded(f"{{{{ .{field} }}}}")
        assert expanded(f"{{{{ $labels.{field} }}}}") == ""


def test_links_and_paths() -> None:
    assert expanded("{{ externalURL }} {{ pathPrefix }}") == "http://localhost:9090/prom /prom"
