"""Samples without times are as old as the question: a query of now finds them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from novaql import ArgumentError, query
from novaql.cli.main import run
from tests.support.peers.exposer import exposing

TEXT = b'# TYPE rooms gauge\nrooms{house="a"} 7\n'


@pytest.fixture
def slow_target() -> Iterator[str]:
    """The address of a target that takes a moment to answer."""
    with exposing() as target:
        target.body, target.delay = TEXT, 0.05
        yield target.url


@pytest.fixture
def text_file(tmp_path: Path) -> str:
    path = tmp_path / "rooms.prom"
    path.write_bytes(TEXT)
    return str(path)


@pytest.mark.parametrize("kind", ["slow_target", "text_file"])
@pytest.mark.parametrize("at", [None, "now"])
def test_a_query_of_now(kind: str, at: str | None, request: pytest.FixtureRequest) -> None:
    answer = query("rooms", request.getfixturevalue(kind), time=at)

    assert [(labels["house"], list(values)) for labels, _, values in answer] == [("a", [7.0])]


def test_two_files_are_read_as_of_one_moment(text_file: str, tmp_path: Path) -> None:
    other = tmp_path / "doors.prom"
    other.write_bytes(b"doors 3\n")

    answer = query("timestamp(rooms) - on () timestamp(doors)", [text_file, other])

    assert answer.values.tolist() == [[0.0]]


@pytest.mark.parametrize("kind", ["slow_target", "text_file"])
def test_the_shell_of_now(
    kind: str, request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    data = request.getfixturevalue(kind)

    assert run(["query", "rooms", "--data", data, "--format", "csv"]) == 0

    header, row = capfd.readouterr().out.splitlines()
    assert header == "time,value,__name__,house"
    assert row.endswith(",7,rooms,a")


@pytest.mark.parametrize("wrong", [None, b"up", 1])
def test_an_expression_is_a_text(wrong: object) -> None:
    with pytest.raises(ArgumentError, match="expr: is a text or an expression of q, this is"):
        query(wrong)  # type: ignore[arg-type]
