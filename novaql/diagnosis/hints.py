"""Infos of an empty answer, from look-ups of labels alone, without another evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from novaql.diagnosis.cause import Cause
from novaql.diagnosis.nearest import nearest
from novaql.diagnosis.search import cause_of
from novaql.diagnosis.selectors import has_series, why_selector
from novaql.diagnosis.times_read import inside, moved, times_of
from novaql.language import parse_core
from novaql.language.ast import (
    Binary,
    Call,
    Expr,
    MatrixSelector,
    Shifted,
    Subquery,
    VectorSelector,
)
from novaql.language.visit import children
from novaql.options import QueryOptions
from novaql.result import Result
from novaql.selectors import selector_of
from novaql.text.times import time_text
from novaql.tsdb.errors import StoreError
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS, Bounded, Source

MOST_SELECTORS = 20
"""Selectors of a query that are looked up."""
MOST_HINTS = 3
_WHY_EMPTY = "novaql.why_empty, or novaql why-empty in a shell,"
_ABSENT = frozenset({"absent", "absent_over_time"})
_WITHOUT = frozenset({"unless", "ifnot"})
_Read = tuple[VectorSelector | MatrixSelector, QueryOptions]


def with_hints(result: Result, query: str, source: Source, options: QueryOptions) -> Result:
    """Return a result; an empty one with infos: the selectors without series, the nearest names
    that have data, and the times with data.

    Sources without known times, such as other servers, are not queried: the info names the function
    that queries them. The other causes that `explain_empty` finds need evaluation of the parts.
    """
    if len(result) or result.text is not None:
        return result
    selectors = list(islice(_selectors(parse_core(query), options), MOST_SELECTORS))
    if not selectors:
        return result
    if not isinstance(source, Bounded):
        return _with_infos(result, [f"{_WHY_EMPTY} finds the part of the query that has no data"])
    try:
        there = source.time_range()
        causes = [] if there is None else list(_causes(query, source, selectors))
    except (OSError, StoreError):  # what the query could read has no result
        return result
    infos = [_sentence(cause) for cause in causes]
    if there is None:
        infos.append("the data has no samples")
    else:
        first, last = map(time_text, there)
        more = "" if infos else f"; {_WHY_EMPTY} finds the part of the query that removes them"
        infos.append(f"the data has samples from {first} to {last}{more}")
    return _with_infos(result, infos)


def selector_hints(
    selectors: Sequence[str], source: Source, start_ms: int, end_ms: int
) -> list[str]:
    """Return the reason for each selector that has no series in a range of time.

    As in `with_hints`, sources without known times are not queried. Raises `QueryError`.
    """
    if not isinstance(source, Bounded):
        return []
    hints = []
    for text in selectors[:MOST_HINTS]:
        node = selector_of(text)
        if not has_series(source, node, start_ms, end_ms):
            found = why_selector(source, node, start_ms, end_ms)
            hints.append(_sentence(cause_of(text, node, found)))
    return hints


def label_hint(name: str, source: Source) -> list[str]:
    """Return an info that no series has a label, with the nearest names of labels."""
    if not isinstance(source, Bounded):
        return []
    near = nearest(name, source.label_names([], MIN_TIME_MS, MAX_TIME_MS))
    return [f"no series has the label {name}{_did_you_mean(near)}"]


def _with_infos(result: Result, infos: Sequence[str]) -> Result:
    return replace(result, infos=(*result.infos, *(f"NovaQL info: {text}" for text in infos)))


def _causes(query: str, source: Source, selectors: Sequence[_Read]) -> Iterator[Cause]:
    """Why the first selectors without series find nothing."""
    found = 0
    for node, options in selectors:
        times = times_of(node, options)
        if found < MOST_HINTS and not has_series(source, *times):
            found += 1
            yield cause_of(query, node, why_selector(source, *times, search_range=False))


def _sentence(cause: Cause) -> str:
    return f"{cause.message}{_did_you_mean(cause.suggestions)} ({cause.line}:{cause.column})"


def _did_you_mean(names: Sequence[str]) -> str:
    return f"; did you mean {', '.join(names)}?" if names else ""


def _selectors(tree: Expr, options: QueryOptions) -> Iterator[_Read]:
    """Selectors that need data for a result, each with the times of the part that it is in."""
    waiting = [(tree, options)]
    while waiting:
        node, options = waiting.pop()
        below: Sequence[Expr] = ()
        match node:
            case VectorSelector() | MatrixSelector():
                yield node, options
            case Subquery(inner=inner):
                below, options = (inner,), inside(node, options) or options
            case Shifted(inner=inner):
                below, options = (inner,), moved(node, options) or options
            case Binary(op=op, left=left) if op in _WITHOUT:
                below = (left,)
            case Call(function=function) if function in _ABSENT:
                pass
            case _:
                below = children(node)
        waiting += [(child, options) for child in reversed(below)]
