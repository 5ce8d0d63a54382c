"""Runs the queries of a postmortem over the tenant's samples."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request

from novaql import NovaqlError, QueryCancelled, QueryOptions, Result
from novaql.server.postmortems.evidence import PlannedQuery, QueryFact, SeriesFact, Window
from novaql.server.postmortems.movement import movement, size
from novaql.server.query.run import run_query

MOST_SERIES = 5
"""The most series of one query in a draft: those that moved most."""


async def measured(
    request: Request, planned: PlannedQuery, window: Window, timeout_s: float
) -> QueryFact:
    """Run a query over the window. A query that fails is a fact, too; a server that is too busy
    for it raises."""
    options = QueryOptions(window.start_ms, window.end_ms, window.step_ms, timeout_s=timeout_s)
    try:
        return await run_query(request, planned.expr, options, partial(_fact, planned, window))
    except QueryCancelled:
        raise
    except NovaqlError as problem:
        return QueryFact(planned, (), 0, str(problem).partition("\n")[0])


def _fact(planned: PlannedQuery, window: Window, result: Result) -> QueryFact:
    moved: list[SeriesFact] = [
        movement(
            series.labels,
            series.times.astype("int64").tolist(),
            series.values.tolist(),
            window.opened_ms,
        )
        for series in result
    ]
    moved.sort(key=lambda series: (-size(series), sorted(series.labels.items())))
    return QueryFact(planned, tuple(moved[:MOST_SERIES]), len(moved))
