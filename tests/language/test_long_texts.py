"""Long queries: the time and the memory to read one grow with its length, also if it is invalid."""

from __future__ import annotations

import tracemalloc

import pytest

from novaql import QueryError
from novaql.complete import complete
from novaql.language import parse

LONG = 400_000
MOST_OF_A_CHARACTER = 100
"""Bytes: a string object for each escape. The stack of a regular expression takes more."""

TEXTS = {
    "string": '"' + "x" * LONG + '"',
    "quotes": "'" + '"' * LONG + "'",
    "escapes": '"' + '\\"' * (LONG // 2) + '"',
    "open string": '"' + '\\"' * (LONG // 2),
    "name": "a" * LONG,
    "escaped name": 'a\\"' + '\\"' * (LONG // 2),
    "label": "sum by (" + "a" * LONG + ") (b)",
    "digits": "1_" * (LONG // 2) + "1",
    "durations": "a[" + "1s" * (LONG // 2) + "]",
    "units": "1a" * (LONG // 2),
    "escapes in a range": "a[" + '\\"' * (LONG // 2) + "\0",
    "escapes before braces": '\\"' * (LONG // 2) + "{!",
}


def memory_of(text: str) -> int:
    tracemalloc.start()
    try:
        try:
            parse(text)
        except QueryError as problem:
            str(problem)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("name", TEXTS)
def test_parse(name: str) -> None:
    memory_of("up")  # the parser is cached
    assert memory_of(TEXTS[name]) < MOST_OF_A_CHARACTER * LONG


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("text", [*TEXTS.values(), '\\"' * (LONG // 2) + "\n", "'\\'" * LONG])
def test_complete(text: str) -> None:
    complete(text)
