"""Matchers as text, `severity="page"` or `team=~"a|b"`, and as rows of JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from novaql.server.errors import invalid
from novaql.tsdb import Matcher, MatchOp, compile_regex

_TEXT = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*|"(?:[^"\\]++|\\.)++")\s*(=~|!~|!=|=)(.*)', re.S)
MOST_PATTERN = 1000
_MOST_STATES = 8000
"""Limit of a pattern. The cache of compiled patterns has few larger ones, and each compilation
costs 25 ms: for every silence and every alert."""


def parse_matcher(text: str, pointer: str) -> Matcher:
    """Parse a matcher. Raises `InvalidRequest` at the pointer."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise invalid(pointer, f'{text!r} is no matcher like severity="page"')
    name, op, value = found.groups()
    name, value = (_unquoted(part, text, pointer) for part in (name, value.strip()))
    return checked(Matcher(name, MatchOp(op), value), pointer)


def _unquoted(part: str, text: str, pointer: str) -> str:
    if '"' not in part:
        return part
    try:
        found = orjson.loads(part)
    except ValueError:
        raise invalid(pointer, f"{text!r} has a quote that does not end") from None
    return str(found)


def checked(matcher: Matcher, pointer: str) -> Matcher:
    """Return the matcher. Raises `InvalidRequest` if its pattern is not valid in RE2."""
    if matcher.op.is_regex:
        if len(matcher.value) > MOST_PATTERN:
            raise invalid(pointer, f"a pattern has at most {MOST_PATTERN} characters")
        try:
            states = compile_regex(matcher.value).programsize
        except ValueError as problem:
            raise invalid(
                pointer, f"{matcher.value!r} is no regular expression: {problem}"
            ) from None
        if states > _MOST_STATES:
            raise invalid(pointer, f"the pattern has {states} states, the limit is {_MOST_STATES}")
    return matcher


def parse_matchers(texts: Sequence[str], pointer: str) -> tuple[Matcher, ...]:
    """Parse each matcher."""
    return tuple(parse_matcher(t, f"{pointer}/{n}") for n, t in enumerate(texts))


def all_match(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether each matcher matches. A missing label counts as the empty text."""
    return all(m.matches(labels.get(m.name, "")) for m in matchers)


def to_rows(matchers: Iterable[Matcher]) -> list[list[str]]:
    """Convert matchers to the form of a column: [[name, op, value], …]."""
    return [[m.name, m.op.value, m.value] for m in matchers]


def from_rows(rows: Iterable[Sequence[Any]]) -> tuple[Matcher, ...]:
    """Convert the form of a column to matchers."""
    return tuple(Matcher(name, MatchOp(op), value) for name, op, value in rows)
