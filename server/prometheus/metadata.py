"""series, labels, label values and metadata."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from starlette.responses import Response

from novaql import export
from novaql.server.http.json_bytes import json_bytes
from novaql.server.prometheus.envelope import success
from novaql.server.prometheus.label_names import unescaped_name
from novaql.server.prometheus.parameters import Parameters, in_worker_reserving
from novaql.server.query.answer_memory import Reserve
from novaql.server.tenants.store import Store
from novaql.tsdb import ReadErrors

_COPIES = 3
"""Of an answer's text: the pieces, what they are joined to, and the answer."""

_PIECE = 1 << 20
"""Characters."""

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


@in_worker_reserving("the list of label names")
def labels(store: Store, parameters: Parameters, reserve: Reserve) -> Response:
    """Label names."""
    times, limit = parameters.range_ms(), parameters.count("limit")
    read_errors = ReadErrors()
    names = store.label_names(parameters.matcher_sets(), *times, read_errors)
    return _list(names, limit, read_errors, reserve)


@in_worker_reserving("the list of label values")
def label_values(store: Store, parameters: Parameters, reserve: Reserve) -> Response:
    """Values of one label. Its name may be escaped as `U__…`."""
    name = unescaped_name(parameters.path["name"])
    times, limit = parameters.range_ms(), parameters.count("limit")
    read_errors = ReadErrors()
    values = store.label_values(name, parameters.matcher_sets(), *times, read_errors)
    return _list(values, limit, read_errors, reserve)


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


def _list(items: list[str], limit: int, read_errors: ReadErrors, reserve: Reserve) -> Response:
    cut = bool(limit) and len(items) > limit
    text = _texts_json(items[:limit] if cut else items, reserve)
    return success(text, [*read_errors.warnings(), *([_TRUNCATED] if cut else [])])


def _texts_json(texts: list[str], reserve: Reserve) -> bytes:
    """Encode texts in pieces of about a million characters, each of which is reserved."""
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    cuts = [*np.flatnonzero(np.diff(ends // _PIECE)) + 1, len(texts)]
    pieces = []
    for first, last in pairwise([0, *cuts]):
        pieces.append(json_bytes(texts[first:last])[1:-1])
        reserve(_COPIES * len(pieces[-1]))
    return b"[" + b",".join(pieces) + b"]"
