"""query_exemplars: samples with the ids of traces."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from starlette.responses import Response

from novaql import QueryError, export
from novaql.language import VectorSelector, parse_core, walk
from novaql.server.errors import InvalidRequest
from novaql.server.http.json_bytes import json_bytes
from novaql.server.http.problem import query_error_text
from novaql.server.prometheus.envelope import success
from novaql.server.prometheus.parameters import Parameters, in_worker_reserving
from novaql.server.query.answer_memory import Reserve
from novaql.server.query.syntax_tree import all_matchers
from novaql.server.tenants.store import Store
from novaql.text import float_tokens
from novaql.tsdb import SeriesExemplars

_COPIES = 3
"""Of labels as text: each set, what they are joined to, and the answer."""


@in_worker_reserving("the list of exemplars")
def query_exemplars(store: Store, parameters: Parameters, reserve: Reserve) -> Response:
    """Exemplars of the series that the selectors of a query match.

    The answer to a query without a selector is a 204, as in Prometheus.
    """
    start_ms, end_ms = parameters.range_ms()
    if end_ms < start_ms:
        raise InvalidRequest("end timestamp must not be before start timestamp")
    try:
        tree = parse_core(parameters.text("query"))
    except QueryError as problem:
        raise InvalidRequest(query_error_text(problem)) from None
    selectors = [node for node in walk(tree) if isinstance(node, VectorSelector)]
    sets = [
        [*all_matchers(selector), *alternative]
        for selector in selectors
        for alternative in selector.alternatives or ((),)
    ]
    if not sets:
        return Response(status_code=204)
    found = store.exemplars(sets, start_ms, end_ms)
    for labels in (found.series, found.exemplars.labels):
        reserve(_COPIES * int(export.label_bytes(labels).sum()))
    return success(exemplars_json(found))


def exemplars_json(found: SeriesExemplars) -> bytes:
    """Encode exemplars in Prometheus's format: the labels and exemplars of each series, in order
    of time."""
    exemplars = found.exemplars
    own = [json_bytes(labels) for labels in exemplars.labels.dicts()]
    values, seconds = float_tokens(exemplars.values), float_tokens(exemplars.timestamps / 1000)
    each = [
        b'{"labels":%s,"value":"%s","timestamp":%s}' % one
        for one in zip(own, values, seconds, strict=True)
    ]
    ends = np.searchsorted(exemplars.series_index, np.arange(found.series.rows + 1)).tolist()
    listed = [
        b'{"seriesLabels":%s,"exemplars":[%s]}' % (json_bytes(labels), b",".join(each[first:end]))
        for labels, (first, end) in zip(found.series, pairwise(ends), strict=True)
    ]
    return b"[%s]" % b",".join(listed)
