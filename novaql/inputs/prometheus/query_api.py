"""The query API of Prometheus as a `Source`, for servers without remote read.

A selector with a range, `up{job="api"}[1h]`, answers with the stored samples. The API has no
staleness markers, and its native histograms lack parts of the stored ones: they are omitted, with a
warning.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
import orjson

from novaql.errors import InputError
from novaql.inputs.http.client import HttpStatus, answer_to, without_credentials
from novaql.inputs.tables.table_source import TableSource
from novaql.text.labels import quoted
from novaql.tsdb.model.labels import METRIC_NAME, SeriesTable
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import NO_HINTS, Hints, Metadata, Selection

MOST_BYTES = 256 << 20
"""Limit of an answer."""

MOST_SAMPLES = 1_000_000
"""Samples of a request, if counts of samples are available."""

_WINDOWS = 500
_AT_ONCE_MS = 6 * 3_600_000
"""A range up to this long is requested as a whole first."""
_LEAST_MS = 60_000
_AHEAD_MS = 86_400_000
_ANYTHING = Matcher(METRIC_NAME, MatchOp.REGEX, ".+")
_Window = tuple[int, int]


class QueryApiSource:
    """The samples of a server with Prometheus's query API, such as VictoriaMetrics.

    Every call is one request or several. Methods raise `InputError` if the server cannot be read.

    url           before `/api/v1/query`; may have a user and a password
    headers       sent with each request, such as `Authorization`
    timeout       seconds for the connection, and for each read
    most_samples  about how many samples are requested at once
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 120.0,
        most_samples: int = MOST_SAMPLES,
    ) -> None:
        self._url = url.rstrip("/")
        self._headers = dict(headers or {})
        self._timeout = timeout
        self._most_samples = most_samples
        self._left_out = False

    def __repr__(self) -> str:
        return f"QueryApiSource({without_credentials(self._url)[0]!r})"

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings about the data read so far."""
        if not self._left_out:
            return ()
        return ("native histograms are left out: the query API of the server does not have them",)

    def has_histograms(self) -> bool:
        """False: they are omitted."""
        return False

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: Hints = NO_HINTS,  # noqa: ARG002 - the API has none of them
    ) -> Selection:
        """See `Source.select`. Loads all samples."""
        selector = selector_text(matchers)
        first, last = _clipped(start_ms, end_ms)
        rows: dict[tuple[tuple[str, str], ...], int] = {}
        parts: list[tuple[int, list[Any]]] = []
        for window in self._windows(selector, first, last):
            for one in self._samples(selector, window):
                if "histograms" in one:
                    self._left_out = True
                labels = tuple(sorted(one["metric"].items()))
                parts.append((rows.setdefault(labels, len(rows)), one.get("values", ())))
        lengths = [len(values) for _, values in parts]
        index = np.repeat(np.array([row for row, _ in parts], np.int64), lengths)
        flat = list(chain.from_iterable(values for _, values in parts))
        times = np.rint(np.array([at for at, _ in flat], np.float64) * 1000).astype(np.int64)
        values = np.array([float(text) for _, text in flat], np.float64)
        batch = Batch(SeriesTable.from_dicts([dict(one) for one in rows]), index, times, values)
        return TableSource(batch).select([], start_ms, end_ms)

    def series(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> SeriesTable:
        """See `Source.series`."""
        table = SeriesTable.from_dicts(self._matched("series", matcher_sets, start_ms, end_ms))
        return table.take(table.order())

    def label_names(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> list[str]:
        """See `Source.label_names`."""
        return sorted(self._matched("labels", matcher_sets, start_ms, end_ms))

    def label_values(
        self, name: str, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> list[str]:
        """See `Source.label_values`."""
        path = f"label/{quote(name, safe='')}/values"
        return sorted(self._matched(path, matcher_sets, start_ms, end_ms))

    def metadata(self) -> dict[str, Metadata]:
        """See `Source.metadata`."""
        found = self._get("metadata", [])
        return {
            name: Metadata(one[0].get("type", ""), one[0].get("help", ""), one[0].get("unit", ""))
            for name, one in found.items()
            if one
        }

    def _windows(self, selector: str, first: int, last: int) -> Iterator[_Window]:
        """Windows with about `most_samples` each, both ends included."""
        if last - first > _AT_ONCE_MS:
            yield from self._counted(selector, first, last)
        else:
            yield first, last

    def _counted(self, selector: str, first: int, last: int) -> Iterator[_Window]:
        """`_windows` by the number of samples that the server counts in each part of the range."""
        step = max(_LEAST_MS, -(-(last - first + 1) // _WINDOWS))
        parameters = {
            "query": f"sum(count_over_time({selector}[{step}ms]))",
            "start": _seconds(first + step - 1),
            "end": _seconds(first + step * (-(-(last - first + 1) // step)) - 1),
            "step": f"{step}ms",
        }
        answer = self._post("query_range", parameters)["result"]
        waiting: _Window | None = None
        held = 0
        for at, text in answer[0]["values"] if answer else ():
            end = round(at * 1000)
            begin, count = end - step + 1, int(float(text))
            joined = waiting is not None and held + count <= self._most_samples
            if waiting is not None and not joined:
                yield waiting
            waiting = (waiting[0], min(end, last)) if waiting and joined else None
            held = held + count if joined else count
            if waiting is None and count > self._most_samples and step > _LEAST_MS:
                yield from self._counted(selector, begin, min(end, last))
            elif waiting is None:
                waiting = begin, min(end, last)
        if waiting is not None:
            yield waiting

    def _samples(self, selector: str, window: _Window) -> Iterator[dict[str, Any]]:
        """Series with their samples in a window; halves of it if the server rejects it as a
        whole."""
        first, last = window
        # A range excludes its left end, and before Prometheus 3 included it: samples that are not
        # in the window are cut off by the selection.
        parameters = {"query": f"{selector}[{last - first + 1}ms]", "time": _seconds(last)}
        try:
            found = self._post("query", parameters)["result"]
        except _TooMuch:
            if last - first < _LEAST_MS:
                raise
            middle = (first + last) // 2
            yield from self._samples(selector, (first, middle))
            yield from self._samples(selector, (middle + 1, last))
            return
        for one in found:
            values = [value for value in one.get("values", ()) if round(value[0] * 1000) >= first]
            yield {**one, "values": values}

    def _matched(
        self,
        path: str,
        matcher_sets: Sequence[Sequence[Matcher]],
        start_ms: int,
        end_ms: int,
    ) -> Any:
        first, last = _clipped(start_ms, end_ms)
        sets = matcher_sets or ([[]] if path == "series" else [])
        window = [("start", _seconds(first)), ("end", _seconds(last))]
        return self._get(path, [*(("match[]", selector_text(one)) for one in sets), *window])

    def _get(self, path: str, parameters: Sequence[tuple[str, str]]) -> Any:
        url = f"{self._url}/api/v1/{path}?{urlencode(parameters)}"
        return self._data(lambda: answer_to(url, timeout=self._timeout, headers=self._headers))

    def _post(self, path: str, parameters: Mapping[str, str]) -> Any:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        headers, body = {**self._headers, **kind}, urlencode(parameters).encode()
        url = f"{self._url}/api/v1/{path}"
        return self._data(lambda: answer_to(url, timeout=self._timeout, headers=headers, body=body))

    def _data(self, request: Callable[[], Any]) -> Any:
        what = without_credentials(self._url)[0]
        try:
            with request() as answer:
                body = answer.read(MOST_BYTES + 1)
        except HttpStatus as problem:
            if problem.status in (413, 422, 503):
                raise _TooMuch(str(problem)) from None
            raise
        if len(body) > MOST_BYTES:
            raise _TooMuch(f"{what}: the answer has more than {MOST_BYTES} bytes")
        try:
            return orjson.loads(body)["data"]
        except (ValueError, KeyError, TypeError) as problem:
            raise InputError(f"{what}: this is no answer of Prometheus's API") from problem


class _TooMuch(InputError):
    """The server rejects an answer of so many samples, or there are too many."""


def selector_text(matchers: Sequence[Matcher]) -> str:
    """A selector of PromQL. One that matches every series is not allowed, so it requires a name."""
    some = list(matchers)
    if all(matcher.matches("") for matcher in some):
        some.append(_ANYTHING)
    return "{" + ",".join(f"{_name(m.name)}{m.op.value}{quoted(m.value)}" for m in some) + "}"


def _name(label: str) -> str:
    plain = label.isascii() and label.replace("_", "a").isalnum() and not label[0].isdigit()
    return label if plain else quoted(label)


def _clipped(start_ms: int, end_ms: int) -> _Window:
    """The part of a range that servers accept: since 1970, until tomorrow."""
    return max(start_ms, 0), min(end_ms, round(time.time() * 1000) + _AHEAD_MS)


def _seconds(ms: int) -> str:
    return f"{ms // 1000}.{ms % 1000:03d}"
