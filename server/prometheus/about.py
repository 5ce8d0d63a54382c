"""Endpoints that describe the server: features, notifications, metrics and OpenAPI document."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from novaql.language import AGGREGATORS, FUNCTIONS
from novaql.server.http.request import context_of, runs_the_server
from novaql.server.prometheus.envelope import success
from novaql.server.prometheus.fuzzy import ALGORITHMS
from novaql.server.prometheus.parameters import bad_parameter, read_parameters
from novaql.tsdb import compile_regex

_HEARTBEAT_S = 15.0
_POLL_S = 0.25
_BASE = "/prometheus/api/v1"
FEATURES: dict[str, dict[str, bool]] = {
    "api": {
        "admin": True,
        "exclude_alerts": True,
        "label_values_match": True,
        "lifecycle": False,
        "openapi": True,
        "openapi_3.1": True,
        "openapi_3.2": True,
        "otlp_write_receiver": True,
        "query_stats": True,
        "query_warnings": True,
        "remote_read": True,
        "remote_write_receiver": True,
        "search": True,
        "time_range_labels": True,
        "time_range_series": True,
    },
    "promql": {
        "anchored": True,
        "at_modifier": True,
        "bool": True,
        "by": True,
        "delayed_name_removal": True,
        "duration_expr": True,
        "group_left": True,
        "group_right": True,
        "ignoring": True,
        "negative_offset": True,
        "offset": True,
        "on": True,
        "per_query_lookback_delta": True,
        "per_step_stats": False,
        "smoothed": True,
        "subqueries": True,
        "without": True,
    },
    "promql_functions": dict.fromkeys(sorted(FUNCTIONS), True),
    "promql_operators": dict.fromkeys(sorted(AGGREGATORS), True),
    "search": {f"fuzz_alg_{name}": True for name in ALGORITHMS},
    "tsdb": {"exemplars": True, "delete_series": True, "snapshots": True},
}


async def features(request: Request) -> Response:  # noqa: ARG001 - the shape of an endpoint
    """Supported features, by area."""
    return success(orjson.dumps(FEATURES, option=orjson.OPT_SORT_KEYS))


async def notifications(request: Request) -> Response:  # noqa: ARG001 - the shape of an endpoint
    """Messages for administrators; always empty."""
    return success(b"[]")


async def live_notifications(request: Request) -> Response:
    """Messages for administrators as server-sent events, until the client disconnects; always
    empty."""
    stopping = context_of(request).lifecycle.stopping

    async def events() -> AsyncIterator[bytes]:
        quiet = 0.0
        yield b":\n\n"  # an empty comment: sends the headers at once
        while not stopping.is_set() and not await request.is_disconnected():
            await asyncio.sleep(_POLL_S)
            quiet += _POLL_S
            if quiet >= _HEARTBEAT_S:
                quiet = 0.0
                yield b":\n\n"

    return StreamingResponse(
        events(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
    )


async def self_metrics(request: Request) -> Response:
    """The server's own metrics as JSON. `metric_name_pattern` is a regex for the whole name.

    The metrics are totals of all tenants: only administrators of the first tenant can read them,
    for others the list is empty.
    """
    pattern = (await read_parameters(request)).text("metric_name_pattern")
    try:
        wanted = compile_regex(pattern, groups=False) if pattern else None
    except ValueError as problem:
        raise bad_parameter("metric_name_pattern", str(problem)) from None
    if not runs_the_server(request):
        return success(b"[]")
    telemetry = context_of(request).telemetry
    found = await asyncio.to_thread(telemetry.families)
    shown = [family for family in found if wanted is None or wanted.fullmatch(family["name"])]
    return success(orjson.dumps(shown))


async def openapi_yaml(request: Request) -> Response:
    """The OpenAPI document of this API, version 3.1 or 3.2. The answer is JSON, which is valid
    YAML."""
    version = (await read_parameters(request)).text("openapi_version") or "3.1"
    if version not in ("3.1", "3.2"):
        raise bad_parameter("openapi_version", f'not supported value "{version}"')
    control = await request.app.state.control.built()
    document = dict(await asyncio.to_thread(control.document))
    paths: dict[str, Any] = {
        path.removeprefix(_BASE): item
        for path, item in document["paths"].items()
        if path.startswith(f"{_BASE}/")
    }
    if version == "3.1":  # as in Prometheus: OpenAPI describes streams of events since 3.2
        del paths["/notifications/live"]
    document |= {"openapi": f"{version}.0", "servers": [{"url": _BASE}], "paths": paths}
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2)
    return Response(text, media_type="application/yaml; charset=utf-8")
