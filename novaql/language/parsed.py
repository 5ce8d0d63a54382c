"""The values that builders pass to each other during parsing."""

from __future__ import annotations

import threading
from typing import Any, Protocol

from lark import Token

from novaql.fast_dataclass import dataclass
from novaql.language.ast import Expr, Template
from novaql.span import Span
from novaql.tsdb.model.matchers import Matcher

# Lark passes a rule's children untyped; novaql.lark defines their types.
Children = list[Any]


class Spanned(Protocol):
    @property
    def span(self) -> Span: ...


def span_of(token: Token) -> Span:
    start, end = token.start_pos, token.end_pos
    assert start is not None
    assert end is not None
    return Span(start, end)


def between(first: Token | Spanned, last: Token | Spanned) -> Span:
    """Return the span from the start of the first to the end of the last."""
    start = span_of(first) if isinstance(first, Token) else first.span
    end = span_of(last) if isinstance(last, Token) else last.span
    return Span(start.start, end.end)


@dataclass(frozen=True, slots=True)
class Condition:
    """A matcher, or a quoted metric name on its own (`bare`)."""

    matcher: Matcher
    bare: bool
    span: Span


Conditions = tuple[Condition | Template, ...]
"""Conditions that must all hold."""


@dataclass(frozen=True, slots=True)
class Either:
    """Conditions in parentheses: any one of these sets must hold."""

    alternatives: tuple[Conditions, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Braces:
    """A selector's `{…}`: any one of these sets of conditions must hold."""

    alternatives: tuple[Conditions, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Labels:
    """The names of a `by (…)`, `on (…)`, …

    renamed  pairs of `on (left=right)`; the left one is in `names`
    all      `group_left (*)`
    """

    names: tuple[str, ...]
    span: Span
    renamed: tuple[tuple[str, str], ...] = ()
    all: bool = False


@dataclass(frozen=True, slots=True)
class Clause:
    """`by (…)` or `without (…)`."""

    without: bool
    labels: Labels
    span: Span


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of a call, parentheses included in the span."""

    values: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Stage:
    """What follows `|>`: a function or an aggregator without its operand."""

    word: Token
    arguments: tuple[Expr, ...]
    clause: Clause | None
    limit: int | None
    retain_names: bool
    span: Span


class Noted(threading.local):
    """The extensions of PromQL that the text being parsed uses, each with its place."""

    def __init__(self) -> None:
        self.extensions: list[tuple[str, Span]] = []

    def note(self, extension: str, span: Span) -> None:
        self.extensions.append((extension, span))


NOTED = Noted()
"""Builders hold no state, since one parser serves all threads."""
