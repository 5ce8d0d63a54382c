"""series, labels, label values and metadata."""

from __future__ import annotations

import numpy as np
import orjson
from starlette.requests import Request
from starlette.responses import Response

from novaql.export import series_json
from novaql.server.http.request import context_of
from novaql.server.prometheus.envelope import success
from novaql.server.prometheus.label_names import unescaped_name
from novaql.server.prometheus.parameters import read_parameters
from novaql.server.query.run import run_in_worker
from novaql.tsdb import Losses

_TRUNCATED = "results truncated due to limit"


async def series(request: Request) -> Response:
    """Label sets of the series that a selector matches."""
    parameters = await read_parameters(request)
    start_ms, end_ms = parameters.range_ms()
    limit = parameters.count("limit")
    store = context_of(request).store

    def find() -> Response:
        wanted, losses = parameters.needed_matcher_sets(), Losses()
        table = store.series(wanted, start_ms, end_ms, losses)
        cut = bool(limit) and len(table) > limit
        if cut:  # before the encoding of label sets, the expensive part
            table = table.take(np.arange(limit))
        warnings = [*losses.warnings(), *([_TRUNCATED] if cut else [])]
        return success(series_json(table), warnings)

    return await run_in_worker(request, find)


async def labels(request: Request) -> Response:
    """Label names."""
    parameters = await read_parameters(request)
    start_ms, end_ms = parameters.range_ms()
    limit = parameters.count("limit")
    store = context_of(request).store

    def find() -> Response:
        wanted, losses = parameters.matcher_sets(), Losses()
        return _list(store.label_names(wanted, start_ms, end_ms, losses), limit, losses)

    return await run_in_worker(request, find)


async def label_values(request: Request) -> Response:
    """Values of one label. Its name may be escaped as `U__…`."""
    name = unescaped_name(request.path_params["name"])
    parameters = await read_parameters(request)
    start_ms, end_ms = parameters.range_ms()
    limit = parameters.count("limit")
    store = context_of(request).store

    def find() -> Response:
        wanted, losses = parameters.matcher_sets(), Losses()
        return _list(store.label_values(name, wanted, start_ms, end_ms, losses), limit, losses)

    return await run_in_worker(request, find)


async def metadata(request: Request) -> Response:
    """Type, help and unit of metrics."""
    parameters = await read_parameters(request)
    # Only here, a limit of 0 returns no metric, and -1 returns all. `limit_per_metric` below 1 is
    # no limit.
    limit = parameters.whole("limit", -1, "limit must be a number")
    parameters.whole("limit_per_metric", -1, "limit_per_metric must be a number")
    only = parameters.text("metric")
    store = context_of(request).store

    def find() -> Response:
        known = store.metadata()
        chosen = sorted(known) if not only else [only] if only in known else []
        if limit >= 0:
            chosen = chosen[:limit]
        data = {
            name: [{"type": known[name].type, "unit": known[name].unit, "help": known[name].help}]
            for name in chosen
        }
        return success(orjson.dumps(data))

    return await run_in_worker(request, find)


def _list(items: list[str], limit: int, losses: Losses) -> Response:
    if limit and len(items) > limit:
        return success(orjson.dumps(items[:limit]), [*losses.warnings(), _TRUNCATED])
    return success(orjson.dumps(items), losses.warnings())
