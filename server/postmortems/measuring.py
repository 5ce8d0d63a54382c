"""Runs the queries of a postmortem over the tenant's samples."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from starlette.requests import Request

from novaql import NovaqlError, QueryCancelled, QueryOptions, Result
from novaql.server.postmortems.evidence import PlannedQuery, QueryFact, SeriesFact, Window
from novaql.server.postmortems.movement import movement, size
from novaql.server.query.run import run_query
from novaql.server.settings import Settings

MOST_SERIES = 5
"""The most series of one query in a draft: those that moved most."""


async def measured(
    request: Request, planned: Sequence[PlannedQuery], window: Window, settings: Settings
) -> list[QueryFact]:
    """Run queries over the window, one after another, all within `query_timeout_s`. A query that
    fails is a fact, too; a server that is too busy for it raises."""
    ends = time.monotonic() + settings.query_timeout_s
    facts = []
    for query in planned:
        left = min(settings.postmortem_query_s, ends - time.monotonic())
        if left > 0:
            facts.append(await _measured(request, query, window, left))
        else:
            facts.append(QueryFact(query, (), 0, "the earlier queries took too long"))
    return facts


async def _measured(
    request: Request, planned: PlannedQuery, window: Window, timeout_s: float
) -> QueryFact:
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
