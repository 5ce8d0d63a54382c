"""search/metric_names, label_names, label_values: fuzzy search of names; answers are JSON lines."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from starlette.responses import Response, StreamingResponse

from novaql.fast_dataclass import dataclass
from novaql.server.errors import InvalidRequest
from novaql.server.http.json_bytes import json_bytes
from novaql.server.prometheus.fuzzy import (
    ALGORITHMS,
    LONGEST_TERM,
    MOST_TERMS,
    Scorer,
    scorer,
)
from novaql.server.prometheus.parameters import Parameters, go_bool, in_worker_reserving
from novaql.server.prometheus.selectors import MatcherSets
from novaql.server.query.answer_memory import Reserve
from novaql.server.tenants.store import Store
from novaql.tsdb import METRIC_NAME, Metadata, checkpoint

_HOUR_MS = 3_600_000
_LARGEST_BATCH = 10_000
_COPIES = 3
"""Of an answer's text: the records, the lines, and the line that is being sent."""

NO_METADATA: Mapping[str, Metadata] = {}


@dataclass(frozen=True, slots=True)
class Search:
    """The parameters of a search.

    where  selectors, first and last time of the series
    order  "" and "alpha": by name; "score": the highest score first
    """

    where: tuple[MatcherSets, int, int]
    score: Scorer
    order: str
    descending: bool
    include_score: bool
    limit: int
    batch: int

    def answer(
        self, names: list[str], reserve: Reserve, metadata: Mapping[str, Metadata] = NO_METADATA
    ) -> Response:
        """The matching names in order, up to the limit, and whether more names match."""
        found: list[tuple[float, str]] = []
        for name in names:
            checkpoint()
            if (points := self.score(name)) is not None:
                found.append((points, name))
        if self.order == "score":
            found.sort(key=lambda one: (-one[0], one[1]))
        elif self.descending:
            found.reverse()  # names are in ascending order
        records = []
        for points, name in found[: self.limit]:
            records.append(
                json_bytes(_record(points, name, metadata.get(name), self.include_score))
            )
            reserve(_COPIES * len(records[-1]))
        lines = [
            b'{"results":[' + b",".join(records[at : at + self.batch]) + b"]}\n"
            for at in range(0, max(len(records), 1), self.batch)
        ]
        last = {"status": "success", "has_more": len(found) > self.limit}
        lines.append(json_bytes(last) + b"\n")
        return StreamingResponse(iter(lines), media_type="application/x-ndjson; charset=utf-8")


@in_worker_reserving("the list of metric names")
def search_metric_names(store: Store, parameters: Parameters, reserve: Reserve) -> Response:
    """Search metric names; with `include_metadata`, the answer includes metadata."""
    search = _read(parameters, "metric_names")
    with_metadata = _boolean(parameters, "include_metadata", default=False)
    names = store.label_values(METRIC_NAME, *search.where)
    return search.answer(names, reserve, store.metadata() if with_metadata else NO_METADATA)


@in_worker_reserving("the list of label names")
def search_label_names(store: Store, parameters: Parameters, reserve: Reserve) -> Response:
    """Search label names."""
    search = _read(parameters, "label_names")
    return search.answer(store.label_names(*search.where), reserve)


@in_worker_reserving("the list of label values")
def search_label_values(store: Store, parameters: Parameters, reserve: Reserve) -> Response:
    """Search values of the label `label`."""
    search = _read(parameters, "label_values")
    label = parameters.text("label")
    if not label:
        raise InvalidRequest('missing required parameter "label"')
    return search.answer(store.label_values(label, *search.where), reserve)


def _record(
    points: float, name: str, known: Metadata | None, with_metadata: bool
) -> dict[str, Any]:
    record: dict[str, Any] = {"name": name}
    if with_metadata:
        record["score"] = int(points) if points.is_integer() else points
    if known is not None:
        record |= {key: text for key, text in asdict(known).items() if text}
    return record


def _read(parameters: Parameters, what: str) -> Search:
    now_ms = int(time.time() * 1000)
    try:
        start_ms = parameters.time_ms("start", now_ms - _HOUR_MS)
        end_ms = parameters.time_ms("end", now_ms)
    except InvalidRequest as problem:  # without a prefix, as in Prometheus
        raise InvalidRequest(problem.message.partition(": ")[2]) from None
    matchers = parameters.matcher_sets()
    terms = parameters.all("search[]")
    if len(terms) > MOST_TERMS or any(len(term) > LONGEST_TERM for term in terms):
        raise InvalidRequest(
            f"search[] has at most {MOST_TERMS} terms, each of at most {LONGEST_TERM} characters"
        )
    threshold = _number(parameters, "fuzz_threshold", 0, "must be 0-100", most=100)
    algorithm = parameters.text("fuzz_alg") or ALGORITHMS[0]
    if algorithm not in ALGORITHMS:
        known = " ".join(ALGORITHMS)
        raise InvalidRequest(f'unsupported fuzz_alg "{algorithm}": must be one of [{known}]')
    case_sensitive = _boolean(parameters, "case_sensitive", default=True)
    include_score = _boolean(parameters, "include_score", default=False)
    order, direction = parameters.text("sort_by"), parameters.text("sort_dir")
    if direction and not order:
        raise InvalidRequest("sort_dir is only valid when sort_by is set")
    if direction and order == "score":
        raise InvalidRequest("sort_dir is not supported for sort_by=score")
    if direction not in ("", "asc", "dsc"):
        raise InvalidRequest(f'invalid sort_dir "{direction}": must be "asc" or "dsc"')
    if order == "score" and not terms:
        raise InvalidRequest("sort_by=score requires search[] to be set")
    limit = _number(parameters, "limit", 100, "must be non-negative integer") or 100
    batch = _number(parameters, "batch_size", 100, "must be non-negative integer") or 100
    if order not in ("", "alpha", "score"):
        raise InvalidRequest(f'invalid sort_by "{order}" for {what}: must be "alpha" or "score"')
    score = scorer(
        terms, algorithm=algorithm, threshold=threshold / 100, case_sensitive=case_sensitive
    )
    where, descending = (matchers, start_ms, end_ms), direction == "dsc"
    batch = min(batch, _LARGEST_BATCH)
    return Search(where, score, order, descending, include_score, limit, batch)


def _number(
    parameters: Parameters, name: str, default: int, rule: str, *, most: int = 2**63 - 1
) -> int:
    refusal = f'invalid {name} "{parameters.text(name)}": {rule}'
    found = parameters.whole(name, default, refusal)
    if not 0 <= found <= most:
        raise InvalidRequest(refusal)
    return found


def _boolean(parameters: Parameters, name: str, *, default: bool) -> bool:
    text = parameters.text(name)
    found = go_bool(text) if text else default
    if found is None:
        raise InvalidRequest(f'invalid {name} "{text}": must be boolean')
    return found
