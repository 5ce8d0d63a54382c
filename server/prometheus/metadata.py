"""series, labels, label values and metadata."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response

from server.platform.context import context_of
from server.platform.errors import InvalidRequest
from server.platform.query_run import run_in_worker
from server.prometheus.envelope import success
from server.prometheus.label_names import unescaped_name
from server.prometheus.parameters import Parameters, read_parameters

Item = TypeVar("Item")
_TRUNCATED = "results truncated due to limit"


async def series(request: Request) -> Response:
    """Label sets of the series that a selector finds."""
    parameters = await _parameters(request)
    start_ms, end_ms = parameters.range_ms()
    store = context_of(request).store

    def find() -> Response:
        wanted = parameters.matcher_sets(needed=True)
        table = store.series(wanted, start_ms, end_ms)
        return _list(table.dicts(), parameters.count("limit"))

    return await run_in_worker(request, find)


async def labels(request: Request) -> Response:
    """Names of labels."""
    parameters = await _parameters(request)
    start_ms, end_ms = parameters.range_ms()
    store = context_of(request).store

    def find() -> Response:
        names = store.label_names(parameters.matcher_sets(), start_ms, end_ms)
        return _list(names, parameters.count("limit"))

    return await run_in_worker(request, find)


async def label_values(request: Request) -> Response:
    """Values of one label. The name may be escaped as `U__…`."""
    name = unescaped_name(request.path_params["name"])
    parameters = await _parameters(request)
    start_ms, end_ms = parameters.range_ms()
    store = context_of(request).store

    def find() -> Response:
        values = store.label_values(name, parameters.matcher_sets(), start_ms, end_ms)
        return _list(values, parameters.count("limit"))

    return await run_in_worker(request, find)


async def metadata(request: Request) -> Response:
    """Type, help and unit of metrics."""
    parameters = await _parameters(request)
    # Here, unlike elsewhere, 0 means none at all and -1 means all of them.
    limit = _metadata_limit(parameters, "limit")
    per_metric = _metadata_limit(parameters, "limit_per_metric")
    only = parameters.text("metric")
    store = context_of(request).store

    def find() -> Response:
        known = store.metadata()
        chosen = sorted(known) if not only else [only] if only in known else []
        if limit >= 0:
            chosen = chosen[:limit]
        data = {
            name: [{"type": found.type, "help": found.help, "unit": found.unit}]
            if per_metric != 0
            else []
            for name in chosen
            for found in [known[name]]
        }
        return success(orjson.dumps(data))

    return await run_in_worker(request, find)


async def _parameters(request: Request) -> Parameters:
    return await read_parameters(request, limit=context_of(request).settings.max_body_bytes)


def _list(items: Sequence[Item], limit: int) -> Response:
    if limit and len(items) > limit:
        return success(orjson.dumps(list(items[:limit])), [_TRUNCATED])
    return success(orjson.dumps(list(items)))


def _metadata_limit(parameters: Parameters, name: str) -> int:
    text = parameters.text(name)
    if not text:
        return -1
    try:
        return int(text)
    except ValueError:
        raise InvalidRequest(f"{name} must be a number") from None
