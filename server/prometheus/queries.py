"""query, query_range, format_query and parse_query."""

from __future__ import annotations

import time
from collections.abc import Iterator

import orjson
from starlette.requests import Request
from starlette.responses import Response

from novaql import QueryOptions, QueryStats, QueryTimeout, Result, export
from novaql.language import format_expr, parse
from novaql.server.errors import InvalidRequest
from novaql.server.http.json_bytes import json_bytes
from novaql.server.http.request import context_of
from novaql.server.http.streaming import Piece, begin, pieces_response
from novaql.server.prometheus.envelope import annotations_json, success
from novaql.server.prometheus.parameters import (
    Parameters,
    bad_parameter,
    go_bool,
    in_worker,
    read_parameters,
)
from novaql.server.query.run import run_query
from novaql.server.query.syntax_tree import tree_json
from novaql.server.tenants.store import Store

_LOOKBACK_MS = 300_000
_TRUNCATED = "results truncated due to limit"


async def query(request: Request) -> Response:
    """Evaluate a query at one time."""
    parameters = await read_parameters(request)
    at_ms = parameters.time_ms("time", int(time.time() * 1000))
    return await _answer(request, parameters, at_ms, at_ms, 0)


async def query_range(request: Request) -> Response:
    """Evaluate a query at steps from `start` to `end`."""
    parameters = await read_parameters(request)
    start_ms, end_ms = parameters.time_ms("start"), parameters.time_ms("end")
    if end_ms < start_ms:
        raise bad_parameter("end", "end timestamp must not be before start time")
    step_ms = parameters.duration_ms("step")
    if step_ms <= 0:
        raise bad_parameter(
            "step",
            "zero or negative query resolution step widths are not accepted. "
            "Try a positive integer",
        )
    most = context_of(request).settings.max_query_points
    if (end_ms - start_ms) // step_ms > most:
        raise InvalidRequest(
            f"exceeded maximum resolution of {most:,} points per timeseries. "
            "Try decreasing the query resolution (?step=XX)"
        )
    return await _answer(request, parameters, start_ms, end_ms, step_ms)


@in_worker
def format_query(_: Store, parameters: Parameters) -> Response:
    """Format a query in its canonical form."""
    return success(json_bytes(format_expr(parse(parameters.text("query")))))


@in_worker
def parse_query(_: Store, parameters: Parameters) -> Response:
    """The syntax tree of a query, in the format of Prometheus's tree view."""
    text = parameters.text("query")
    tree = parse(text, strict_promql=True)
    return success(json_bytes(tree_json(tree, text), option=orjson.OPT_SORT_KEYS))


async def _answer(
    request: Request, parameters: Parameters, start_ms: int, end_ms: int, step_ms: int
) -> Response:
    limit = parameters.count("limit")
    try:
        lookback_ms = parameters.duration_ms("lookback_delta", _LOOKBACK_MS)
    except InvalidRequest as problem:
        reason = problem.message.partition(": ")[2]
        sentence = f"error parsing lookback delta duration: {reason}"
        raise InvalidRequest(sentence) from None
    lookback_ms = lookback_ms if lookback_ms > 0 else _LOOKBACK_MS
    timeout_s = None
    if parameters.text("timeout"):
        timeout_s = parameters.duration_ms("timeout") / 1000
        if timeout_s <= 0:
            raise QueryTimeout("the timeout was over at once")
    with_stats = bool(parameters.text("stats"))
    rollup_ms = parameters.duration_ms("rollup", 0)
    if rollup_ms < 0:
        raise bad_parameter("rollup", "must not be negative")
    options = QueryOptions(
        start_ms, end_ms, step_ms, lookback_ms, timeout_s=timeout_s, rollup_ms=rollup_ms
    )

    cached = not go_bool(parameters.text("nocache"))
    text, context = parameters.text("query"), context_of(request)

    def pieces(result: Result) -> Iterator[Piece]:
        warnings = list(result.warnings)
        yield b'{"status":"success","data":{"resultType":"%s","result":' % result.kind.encode()
        shown = export.first_series(result, limit)
        if shown is not result:
            warnings.append(_TRUNCATED)
        yield from export.result_pieces(shown, export.ValueStyle.TEXT)
        stats = b',"stats":' + json_bytes(_stats(result.stats)) if with_stats else b""
        yield stats + b"}" + annotations_json(warnings, result.infos) + b"}"

    begun = await run_query(
        request,
        text,
        options,
        lambda result: begin(pieces(result), context.tuning.json_at_once),
        form="json",
        cached=cached,
    )
    return pieces_response(begun, context.pools.queries, media_type="application/json")


def _stats(stats: QueryStats) -> dict[str, dict[str, float]]:
    plan, run = stats.seconds.get("plan", 0.0), stats.seconds.get("evaluate", 0.0)
    return {
        "timings": {
            "evalTotalTime": plan + run,
            "resultSortTime": 0,
            "queryPreparationTime": plan,
            "innerEvalTime": run,
            "execQueueTime": 0,
            "execTotalTime": plan + run,
        },
        "samples": {"totalQueryableSamples": stats.samples, "peakSamples": stats.samples},
    }
