"""series, labels, label values and metadata."""

from __future__ import annotations

import numpy as np
from starlette.responses import Response

from novaql import export
from novaql.server.http.json_bytes import json_bytes
from novaql.server.prometheus.envelope import success
from novaql.server.prometheus.label_names import unescaped_name
from novaql.server.prometheus.parameters import Parameters, in_worker, in_worker_reserving
from novaql.server.query.answer_memory import Reserve
from novaql.server.tenants.store import Store
from novaql.tsdb import ReadErrors

_COPIES = 3
"""Of label sets as text: the pieces, what they are joined to, and the answer."""

_TRUNCATED = "results truncated due to limit"


@in_worker_reserving("the list of series")
def series(store: Store, parameters: Parameters, reserve: Reserve) -> Response:
    """Label sets of the series that a selector matches."""
    times, limit = parameters.range_ms(), parameters.count("limit")
    read_errors = ReadErrors()
    table = store.series(parameters.needed_matcher_sets(), *times, read_errors)
    cut = bool(limit) and len(table) > limit
    if cut:  # before the encoding of label sets, the expensive part
        table = table.take(np.arange(limit))
    reserve(_COPIES * int(export.label_bytes(table).sum()))
    warnings = [*read_errors.warnings(), *([_TRUNCATED] if cut else [])]
    return success(export.series_json(table), warnings)


@in_worker
def labels(store: Store, parameters: Parameters) -> Response:
    """Label names."""
    times, limit = parameters.range_ms(), parameters.count("limit")
    read_errors = ReadErrors()
    return _list(
        store.label_names(parameters.matcher_sets(), *times, read_errors), limit, read_errors
    )


@in_worker
def label_values(store: Store, parameters: Parameters) -> Response:
    """Values of one label. Its name may be escaped as `U__…`."""
    name = unescaped_name(parameters.path["name"])
    times, limit = parameters.range_ms(), parameters.count("limit")
    read_errors = ReadErrors()
    wanted = parameters.matcher_sets()
    return _list(store.label_values(name, wanted, *times, read_errors), limit, read_errors)


@in_worker_reserving("the list of metadata")
def metadata(store: Store, parameters: Parameters, reserve: Reserve) -> Response:
    """Type, help and unit of metrics."""
    # Only here, a limit of 0 returns no metric, and -1 returns all. `limit_per_metric` below 1 is
    # no limit.
    limit = parameters.whole("limit", -1, "limit must be a number")
    parameters.whole("limit_per_metric", -1, "limit_per_metric must be a number")
    only = parameters.text("metric")
    known = store.metadata()
    chosen = sorted(known) if not only else [only] if only in known else []
    shown = chosen[:limit] if limit >= 0 else chosen
    # JSON writes a control character as six bytes, so texts are measured as they are written.
    reserve(_COPIES * sum(len(json_bytes([name, known[name]])) for name in shown))
    return success(json_bytes({name: [known[name]] for name in shown}))


def _list(items: list[str], limit: int, read_errors: ReadErrors) -> Response:
    if limit and len(items) > limit:
        return success(json_bytes(items[:limit]), [*read_errors.warnings(), _TRUNCATED])
    return success(json_bytes(items), read_errors.warnings())
