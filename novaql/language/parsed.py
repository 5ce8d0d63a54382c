"""The values that builders pass to each other during parsing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from lark import Token

from novaql.language.ast import Expr
from novaql.span import Span
from novaql.tsdb.model.matchers import Matcher

# Lark passes a rule's children untyped; promql.lark defines their types.
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
    """From the start of one to the end of the other."""
    start = span_of(first) if isinstance(first, Token) else first.span
    end = span_of(last) if isinstance(last, Token) else last.span
    return Span(start.start, end.end)


@dataclass(frozen=True, slots=True)
class Condition:
    """A matcher, or a quoted metric name on its own (`bare`)."""

    matcher: Matcher
    bare: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Braces:
    """A selector's `{…}`."""

    conditions: tuple[Condition, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Labels:
    """The names of a `by (…)`, `on (…)`, …"""

    names: tuple[str, ...]
    span: Span


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
