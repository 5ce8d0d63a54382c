"""`match[]`: parse series selectors to matchers; reject other expressions."""

from __future__ import annotations

import re
from collections.abc import Sequence

import orjson

from novaql import QueryError
from novaql.language import (
    Aggregate,
    Binary,
    Call,
    Expr,
    Let,
    MatrixSelector,
    Member,
    Number,
    Paren,
    RetainNames,
    Shifted,
    Subquery,
    Text,
    Unary,
    VectorSelector,
    parse,
)
from novaql.server.errors import InvalidRequest
from novaql.server.http.problem import query_error_text
from novaql.server.query.syntax_tree import all_matchers
from novaql.tsdb import METRIC_NAME, Matcher, MatchOp

MatcherSets = list[list[Matcher]]
_TOO_WIDE = "match[] must contain at least one non-empty matcher"


def matcher_sets(texts: Sequence[str]) -> MatcherSets:
    """The matchers of each selector. Raises `InvalidRequest`, also for a selector that matches
    every series."""
    sets = [selector_matchers(text) for text in texts]
    if not all(any(not m.matches("") for m in matchers) for matchers in sets):
        raise InvalidRequest(_TOO_WIDE)
    return sets


def selector_matchers(text: str) -> list[Matcher]:
    """The matchers of one selector, including that of the metric name."""
    try:
        expr = parse(text, strict_promql=True)
    except QueryError as problem:
        if problem.sentence.startswith("the selector matches every series"):
            raise InvalidRequest(_TOO_WIDE) from None
        raise InvalidRequest(query_error_text(problem)) from None
    if not isinstance(expr, VectorSelector):
        raise InvalidRequest(_unexpected(text, expr))
    for present, word, shown in (
        (expr.offset is not None, "offset", "<offset>"),
        (expr.at is not None, "@", "<op:@>"),
        (expr.anchored, "anchored", 'identifier "anchored"'),
        (expr.smoothed, "smoothed", 'identifier "smoothed"'),
    ):
        if present:
            *_, last = re.finditer(word, text, re.IGNORECASE)
            raise InvalidRequest(_at(text, last.start(), shown))
    return all_matchers(expr)


def deletion_matchers(text: str) -> list[Matcher]:
    """The matchers of one selector for a deletion, which may match every series, as `{}` does."""
    try:
        return selector_matchers(text)
    except InvalidRequest as problem:
        if problem.message != _TOO_WIDE:
            raise
    # All matchers of the selector match "". Parse it with an additional matcher that does not.
    inside = text.rstrip().removesuffix("}").rstrip()
    comma = "" if inside.endswith(("{", ",")) else ","
    named = selector_matchers(f'{inside}{comma}_=~".+"}}')[:-1]
    return named or [Matcher(METRIC_NAME, MatchOp.REGEX, ".*")]


def _unexpected(text: str, expr: Expr) -> str:
    """The error for the first token that cannot be part of a selector."""
    match expr:
        case Number():
            return _at(text, 0, f'number "{text.strip()}"')
        case Text():
            return _at(text, 0, f"string {orjson.dumps(text.strip()).decode()}")
        case Call() | Aggregate():
            return _at(text, text.index("("), '"("')
        case MatrixSelector():
            return _at(text, text.rindex("["), '"["')
        case Subquery():
            return _at(text, expr.inner.span.end, '"["')
        case Binary():
            return _at(text, expr.left.span.end, f"<op:{expr.op}>")
        case Unary():
            return _at(text, 0, f"<op:{expr.op}>")
        case Paren():
            return _at(text, 0, '"("')
        case VectorSelector() | Let() | Shifted() | RetainNames() | Member():  # excluded before
            raise AssertionError(text)


def _at(text: str, place: int, what: str) -> str:
    return f"{text.count(chr(10), 0, place) + 1}:{place + 1}: parse error: unexpected {what}"
