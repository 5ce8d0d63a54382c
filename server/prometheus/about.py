"""Endpoints that describe the server: features, notifications, metrics and OpenAPI document."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from novaql.language import AGGREGATORS, FUNCTIONS
from novaql.server.http.admission import still_admitted
from novaql.server.http.request import context_of, runs_the_server
from novaql.server.prometheus.envelope import success
from novaql.server.prometheus.fuzzy import ALGORITHMS
from novaql.server.prometheus.parameters import bad_parameter, read_parameters
from novaql.tsdb import compile_regex

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
    return _LiveNotifications(request)


class _LiveNotifications(StreamingResponse):
    """A stream of comments. It counts as one of the tenant's streams, and ends with its token."""

    def __init__(self, request: Request) -> None:
        self._request, self._context = request, context_of(request)
        headers = {"Cache-Control": "no-cache"}
        super().__init__(self._comments(), media_type="text/event-stream", headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        most = self._context.settings.max_streams
        with self._context.pools.streams.opened(self._context.tenant_id, most):
            await super().__call__(scope, receive, send)

    async def _comments(self) -> AsyncIterator[bytes]:
        request, stopping = self._request, self._context.lifecycle.stopping
        quiet = 0.0
        yield b":\n\n"  # an empty comment: sends the headers at once
        while not stopping.is_set() and not await request.is_disconnected():
            await asyncio.sleep(_POLL_S)
            quiet += _POLL_S
            if quiet >= self._context.settings.stream_heartbeat_s:
                quiet = 0.0
                if not await still_admitted(request):
                    return
                yield b":\n\n"


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
