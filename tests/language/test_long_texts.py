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


@pytest.mark.slow
@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("name", TEXTS)
def test_parse(name: str) -> None:
    memory_of("up")  # the parser is cached
    assert memory_of(TEXTS[name]) < MOST_OF_A_CHARACTER * LONG


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("text", [*TEXTS.values(), '\\"' * (LONG // 2) + "\n", "'\\'" * LONG])
def test_complete(text: str) -> None:
    complete(text)


def _doubled(first: str, joined: str) -> str:
    """`let` of thirteen names, each of which has the one before twice."""
    names = [f"n{n} = " + joined.format(f"n{n - 1}") for n in range(1, 13)]
    return f"let n0 = {first}, {', '.join(names)} in "


GROWING = {
    "joined texts": _doubled('"' + "x" * LONG + '"', "{0} + {0}") + "m{a=n12}",
    "texts in a matcher": 'let s = "' + "x" * 50_000 + '" in m{a=s' + " + s" * 1_000 + "}",
    "conditions": "let c = {" + 'a!="b",' * 3_000 + "} in m{" + "c," * 3_000 + "}",
    "arguments": 'let s = "' + "x" * LONG + '" in label_set(m' + ', "a", s' * 1_000 + ")",
    "functions": f'let f(v) = label_set(v, "a", "{"x" * 50_000}") in f(m)' + " + f(m)" * 1_000,
}
"""Texts whose queries are long: the longest of them had four gigabytes."""


@pytest.mark.slow
@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("name", GROWING)
def test_names_put_in_have_bounds(name: str) -> None:
    assert memory_of(GROWING[name]) < MOST_OF_A_CHARACTER * LONG
    with pytest.raises(QueryError, match="put in, the query is longer than 1000000 characters"):
        parse(GROWING[name])


ANY = " or ".join(f'a="{n}"' for n in range(500))
MULTIPLIED = {
    "in braces": f"m{{({ANY})" + ',b!="c"' * 3_000 + "}",
    "in front": "m{" + 'b!="c",' * 3_000 + f"({ANY})}}",
    "by let": f"let c = {{{ANY}}} in m{{" + 'b!="c",' * 3_000 + "c}",
    "by a name": f"let v = m{{{ANY}}} in v{{" + 'b!="c",' * 2_999 + 'b!="c"}',
    "both by let": f"let c = {{{ANY}}}, d = {{(e='1' or e='2')" + ',b!="c"' * 300 + "} in m{c,d}",
}
"""Conditions beside alternatives in parentheses, which count for each of these."""


@pytest.mark.slow
@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("name", MULTIPLIED)
def test_conditions_of_alternatives_have_bounds(name: str) -> None:
    assert memory_of(MULTIPLIED[name]) < MOST_OF_A_CHARACTER * LONG
    with pytest.raises(QueryError, match="alternatives of the selector have more than 20000"):
        parse(MULTIPLIED[name])


@pytest.mark.slow
def test_what_is_not_multiplied_has_no_such_bounds() -> None:
    some = " or ".join(f'a="{n}"' for n in range(15_000))

    parse("m{" + 'a!="b",' * 15_000 + "}")
    parse(f"m{{{some}}}")
    parse(f"let c = {{{some}}} in m{{c}}")
    parse(f"m{{({ANY})" + ',b!="c"' * 39 + "}")
