"""Checks of a dashboard beyond its model. Errors name the field by JSON pointer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import re2

from novaql import ArgumentError, QueryError, to_ms
from novaql.server.dashboards.interpolation import check, references
from novaql.server.dashboards.schema import COLUMNS, Grid, SaveDashboard, VariableIn
from novaql.server.dashboards.variable_queries import VariableQuery, read_variable_query
from novaql.server.errors import Impossible, impossible, invalid, kind_of
from novaql.server.http.preparing import Preparation

BUILT_IN_DURATIONS = ("__interval", "__rate_interval", "__range")
BUILT_IN_NUMBERS = ("__interval_ms", "__range_s", "__range_ms", "__from", "__to")
INTERVAL = re.compile(r"(?:\d{1,9}(?:ms|[smhdwy]))+", re.ASCII)


MOST_TRIES = 5_000
"""The most parses for one dashboard: its queries are parsed with several kinds of values."""


class Tries:
    """Counts the parses of a dashboard's queries.

    checkpoint  called before each parse
    """

    def __init__(self, checkpoint: Callable[[], None] = lambda: None) -> None:
        self._checkpoint = checkpoint
        self._count = 0

    def one(self) -> None:
        """Count a parse. Raises `Impossible` `dashboard_too_large`."""
        self._count += 1
        if self._count > MOST_TRIES:
            raise Impossible(
                f"the queries of the dashboard would have to be parsed more than {MOST_TRIES} "
                "times, with each kind of values for their variables: make it several dashboards",
                code="dashboard_too_large",
            )
        self._checkpoint()


def prepare_dashboard(preparation: Preparation) -> None:
    """Check a dashboard before it is saved."""
    check_dashboard(preparation.body, Tries(preparation.checkpoint))


def check_dashboard(body: SaveDashboard, tries: Tries) -> None:
    """Raise `InvalidRequest` or `Impossible` for the first invalid field."""
    _check_layout([panel.grid for panel in body.panels])
    ids = [panel.id for panel in body.panels]
    for number, key in enumerate(ids):
        if key is not None and key in ids[:number]:
            raise invalid(f"/panels/{number}/id", "another panel has it, too")
    for name, text in (("from", body.time_range.from_), ("to", body.time_range.to)):
        try:
            to_ms(text, argument=name, now_ms=0)
        except ArgumentError as problem:
            raise invalid(f"/time_range/{name}", str(problem)) from None
    for number, variable in enumerate(body.variables):
        _check_variable(number, variable, body.variables[:number], tries)
    for pointer, text in _queries(body):
        check_query(pointer, text, body.variables, tries)
    for number, panel in enumerate(body.panels):
        if panel.type != "text" and not panel.queries:
            raise invalid(f"/panels/{number}/queries", "a panel that is no text needs a query")


def check_query(pointer: str, text: str, variables: Sequence[VariableIn], tries: Tries) -> None:
    """Raise `Impossible` with line and column for a query that no kind of values makes valid."""
    names = [v.name for v in variables]
    durations = [*BUILT_IN_DURATIONS, *(v.name for v in variables if v.type == "interval")]
    try:
        check(text, [*names, *BUILT_IN_DURATIONS, *BUILT_IN_NUMBERS], durations, tries.one)
    except QueryError as problem:
        place = f"line {problem.line}, column {problem.column}"
        message = f"{problem.sentence} at {place}"
        raise impossible(pointer, message, kind_of(problem).code) from problem


def _queries(body: SaveDashboard) -> Iterator[tuple[str, str]]:
    for number, panel in enumerate(body.panels):
        for place, query in enumerate(panel.queries):
            yield f"/panels/{number}/queries/{place}/expr", query.expr
    for number, annotation in enumerate(body.annotations):
        yield f"/annotations/{number}/expr", annotation.expr


def _check_layout(grids: Sequence[Grid]) -> None:
    taken: dict[tuple[int, int], int] = {}
    for number, grid in enumerate(grids):
        if grid.x + grid.w > COLUMNS:
            raise invalid(f"/panels/{number}/grid", f"ends right of column {COLUMNS}")
        for y in range(grid.y, grid.y + grid.h):
            for x in range(grid.x, grid.x + grid.w):
                other = taken.setdefault((x, y), number)
                if other != number:
                    raise invalid(f"/panels/{number}/grid", f"overlaps panel {other}")


def _check_variable(
    number: int, variable: VariableIn, before: Sequence[VariableIn], tries: Tries
) -> None:
    at = f"/variables/{number}"
    if variable.name.startswith("__"):
        raise invalid(f"{at}/name", "names that begin with __ are taken")
    if any(variable.name == other.name for other in before):
        raise invalid(f"{at}/name", "another variable has it, too")
    if variable.regex:
        try:
            re2.compile(variable.regex)
        except re2.error:
            raise invalid(f"{at}/regex", "is no regular expression of RE2") from None
    if variable.all_value is not None and not variable.include_all:
        raise invalid(f"{at}/all_value", "goes with include_all")
    if len(variable.default) > 1 and not variable.multi:
        raise invalid(f"{at}/default", "one value, unless multi")
    if variable.type == "query":
        if variable.query is None:
            raise invalid(f"{at}/query", "a variable of type query needs one")
        if variable.values:
            raise invalid(f"{at}/values", "a variable of type query has none of its own")
        _check_variable_query(at, variable.query, before, tries)
        return
    if variable.query is not None:
        raise invalid(f"{at}/query", f"a variable of type {variable.type} has values instead")
    if not variable.values:
        raise invalid(f"{at}/values", "at least one is needed")
    for place, text in enumerate(variable.values):
        if variable.type == "interval" and not INTERVAL.fullmatch(text):
            raise invalid(f"{at}/values/{place}", "must be a duration like 5m")
    for text in variable.default:
        if text not in variable.values and not (variable.include_all and text == "$__all"):
            raise invalid(f"{at}/default", f"{text!r} is none of the values")


def _check_variable_query(at: str, text: str, before: Sequence[VariableIn], tries: Tries) -> None:
    query: VariableQuery | None = read_variable_query(text)
    if query is None:
        raise invalid(
            f"{at}/query",
            "must be label_values(selector, label), label_values(label), label_names(selector), "
            "metrics(regex) or query_result(expr)",
        )
    if query.expr:
        check_query(f"{at}/query", query.expr, before, tries)
    names = {variable.name for variable in before}
    for reference in references(query.expr):
        if reference.name not in names and not reference.name.startswith("__"):
            raise invalid(f"{at}/query", f"${reference.name} is no variable before this one")
