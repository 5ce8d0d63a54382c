"""Selectors as texts: `up`, `{job="api"}`."""

from __future__ import annotations

from collections.abc import Sequence

from novaql.errors import TypeProblem
from novaql.language import parse
from novaql.language.ast import Paren, VectorSelector
from novaql.tsdb.model.labels import METRIC_NAME
from novaql.tsdb.model.matchers import Matcher, MatchOp

_SPECIAL = frozenset(r"\.+*?()|[]{}^$")


def matcher_sets(selectors: Sequence[str]) -> list[list[Matcher]]:
    """One list of matchers for each selector. Raises `QueryError`."""
    return [matchers_of(selector_of(text)) for text in selectors]


def selector_of(text: str) -> VectorSelector:
    """Return the selector in a text, without offset and @. Raises `QueryError`."""
    expr = parse(text)
    while isinstance(expr, Paren):
        expr = expr.inner
    if not isinstance(expr, VectorSelector) or expr.offset is not None or expr.at is not None:
        raise TypeProblem('a selector such as up{job="api"} is expected here', text, expr.span)
    parse(text, strict_promql=True)
    return expr


def matchers_of(selector: VectorSelector) -> list[Matcher]:
    """All matchers of a selector, including that of its metric name."""
    name = selector.name
    named = [] if name is None else [Matcher(METRIC_NAME, MatchOp.EQUAL, name)]
    return [*named, *selector.matchers]


def matcher_sets_of(selector: VectorSelector) -> list[list[Matcher]]:
    """The sets of matchers of which a series satisfies any: one for each alternative."""
    own = matchers_of(selector)
    return [[*own, *alternative] for alternative in selector.alternatives] or [own]


def regex_literal(text: str) -> str:
    """A regular expression that matches only this text."""
    return "".join(f"\\{char}" if char in _SPECIAL else char for char in text)
