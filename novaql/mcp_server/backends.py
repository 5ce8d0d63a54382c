"""The data that the tools query: a source in this process, or a server over its public HTTP API."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from novaql import explain, query_options, why_empty
from novaql.engine import selects_data
from novaql.errors import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs.http.client import answer_to
from novaql.inputs.resolve import NO_DATA, as_source
from novaql.lint import Knowledge, lint
from novaql.opening import answer, last_sample_ms
from novaql.options import Limits
from novaql.selectors import matcher_sets
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS

TIMEOUT_S = 30
LIMITS = Limits(samples=200_000_000, series=200_000, points=11_000, bytes=1 << 30)
MAX_RESPONSE_BYTES = 32 << 20

When = Mapping[str, Any]
"""Arguments of `query`: `time`, or `start`, `end` and `step`; seconds."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a query, as in Prometheus's API.

    kind    `resultType`
    result  at least the first requested series
    series  how many there are in all
    """

    kind: str
    result: Any
    series: int
    warnings: Sequence[str] = ()
    infos: Sequence[str] = ()


class Backend(Protocol):
    """Answers the requests of the tools. Raises `NovaqlError`."""

    def last_ms(self) -> int:
        """The default of `time` and `end`: the last sample of files, now for all other data."""
        ...

    def query(self, text: str, when: When, series: int) -> Answer: ...
    def label_names(self, selectors: Sequence[str]) -> list[str]: ...
    def label_values(self, label: str, selectors: Sequence[str]) -> list[str]: ...
    def series(self, selectors: Sequence[str]) -> list[dict[str, str]]: ...
    def explain(self, text: str, when: When) -> str: ...
    def lint(self, text: str) -> list[dict[str, Any]]: ...
    def why_empty(self, text: str, when: When) -> list[dict[str, Any]]: ...


class LocalBackend:
    """A source in this process. data: as for `query`."""

    def __init__(self, data: Any) -> None:
        self._data, self._source = data, as_source(data)

    def last_ms(self) -> int:
        last = last_sample_ms(self._data, self._source)
        return time.time_ns() // 1_000_000 if last is None else last

    def query(self, text: str, when: When, series: int) -> Answer:
        options = query_options(**when, timeout=TIMEOUT_S, limits=LIMITS)
        result = answer(text, self._source if selects_data(text) else NO_DATA, options, ())
        shown = result.rows(0, series) if len(result) > series else result
        data = json.loads(shown.json())
        return Answer(
            data["resultType"], data["result"], len(result), result.warnings, result.infos
        )

    def label_names(self, selectors: Sequence[str]) -> list[str]:
        return self._source.label_names(matcher_sets(selectors), MIN_TIME_MS, MAX_TIME_MS)

    def label_values(self, label: str, selectors: Sequence[str]) -> list[str]:
        return self._source.label_values(label, matcher_sets(selectors), MIN_TIME_MS, MAX_TIME_MS)

    def series(self, selectors: Sequence[str]) -> list[dict[str, str]]:
        return self._source.series(matcher_sets(selectors), MIN_TIME_MS, MAX_TIME_MS).dicts()

    def explain(self, text: str, when: When) -> str:
        return explain(text, query_options(**when))

    def lint(self, text: str) -> list[dict[str, Any]]:
        return [asdict(found) for found in lint(text, Knowledge(self._source))]

    def why_empty(self, text: str, when: When) -> list[dict[str, Any]]:
        found = why_empty(text, self._source, **when, timeout=TIMEOUT_S, limits=LIMITS)
        return [asdict(cause) for cause in found.causes]


class RemoteBackend:
    """A NovaQL server. url: its address; token: None if it requires none."""

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def last_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def query(self, text: str, when: When, series: int) -> Answer:  # noqa: ARG002 - all are sent
        path = "query_range" if "start" in when else "query"
        answer = self._get(path, {"query": text, **when})
        data = answer["data"]
        many = data["resultType"] in ("vector", "matrix")
        return Answer(
            data["resultType"],
            data["result"],
            len(data["result"]) if many else 1,
            answer.get("warnings", ()),
            answer.get("infos", ()),
        )

    def label_names(self, selectors: Sequence[str]) -> list[str]:
        names: list[str] = self._get("labels", {"match[]": selectors})["data"]
        return names

    def label_values(self, label: str, selectors: Sequence[str]) -> list[str]:
        path = f"label/{quote(label, safe='')}/values"
        values: list[str] = self._get(path, {"match[]": selectors})["data"]
        return values

    def series(self, selectors: Sequence[str]) -> list[dict[str, str]]:
        found: list[dict[str, str]] = self._get("series", {"match[]": selectors})["data"]
        return found

    def explain(self, text: str, when: When) -> str:
        plan: str = self._post("explain", {"query": text, **when})["plan"]
        return plan

    def lint(self, text: str) -> list[dict[str, Any]]:
        findings: list[dict[str, Any]] = self._post("lint", {"query": text})["findings"]
        return findings

    def why_empty(self, text: str, when: When) -> list[dict[str, Any]]:
        causes: list[dict[str, Any]] = self._post("why-empty", {"query": text, **when})["causes"]
        return causes

    def _get(self, path: str, parameters: Mapping[str, Any]) -> Any:
        return self._read(f"/prometheus/api/v1/{path}?{urlencode(parameters, doseq=True)}")

    def _post(self, tool: str, body: Mapping[str, Any]) -> Any:
        return self._read(f"/v1/novaql/{tool}", json.dumps(body).encode())

    def _read(self, path: str, body: bytes | None = None) -> Any:
        headers = self._headers | ({"Content-Type": "application/json"} if body else {})
        with answer_to(self._url + path, timeout=TIMEOUT_S, headers=headers, body=body) as response:
            text = response.read(MAX_RESPONSE_BYTES + 1)
        if len(text) > MAX_RESPONSE_BYTES:
            raise InputError("the answer is larger than 32 MiB; aggregate, or select fewer series")
        return json.loads(text)
