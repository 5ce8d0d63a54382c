"""PITFALLS.md names tests that are there, and leaves no statement without one."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROW = re.compile(r"\| (\d+)\.(\d+) \| ([^|]+) \| ([^|]+) \|")
TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")
ROWS = [
    found for line in (HERE / "PITFALLS.md").read_text().splitlines() if (found := ROW.match(line))
]


@cache
def tests_of(path: str) -> frozenset[str]:
    """The names of the test functions in a file."""
    tree = ast.parse((HERE / path).read_text())
    return frozenset(
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


STATEMENTS = {
    1: 20,
    2: 13,
    3: 13,
    4: 12,
    5: 8,
    6: 11,
    7: 11,
    8: 10,
    9: 11,
    10: 12,
    11: 11,
    12: 9,
    13: 5,
}
"""Area → number of its statements."""


def test_no_statement_is_left_out() -> None:
    counts = Counter(int(row[1]) for row in ROWS)
    assert counts == STATEMENTS
    for area, count in counts.items():
        assert [int(r[2]) for r in ROWS if int(r[1]) == area] == list(range(1, count + 1))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[1]}.{row[2]}")
def test_its_tests_are_there(row: re.Match[str]) -> None:
    named = TEST.findall(row[4])
    assert named
    assert TEST.sub("", row[4]).strip(" ,") == ""
    for path, name in named:
        assert name in tests_of(path), f"{path}::{name}"
