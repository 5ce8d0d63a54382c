"""A server's remote read as a `Source`: each selection is one request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import cramjam
import numpy as np

from novaql.errors import InputError
from novaql.inputs.batch_stream import concat_batches
from novaql.inputs.http.client import answer_to, without_credentials
from novaql.inputs.label_lookups import LabelLookups
from novaql.inputs.prometheus.chunk_bytes import BrokenChunk, Encoding
from novaql.inputs.prometheus.chunk_samples import samples_of
from novaql.inputs.prometheus.read_messages import (
    Readable,
    label_sets_of,
    read_request,
    results_of,
    series_of_frames,
)
from novaql.inputs.remote_write.decoder import RemoteWriteDecoder
from novaql.inputs.tables.table_source import TableSource
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import NO_HINTS, Hints, Metadata, Selection

if TYPE_CHECKING:
    from http.client import HTTPResponse

MOST_BYTES = 1 << 30
_ANYTHING = Matcher("__name__", MatchOp.REGEX, ".*")
_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Read-Version": "0.1.0",
}


class RemoteReadSource(LabelLookups):
    """The samples of a server with remote read, such as Prometheus.

    The server sends chunks, or samples if it has none. Every call is a request. Methods raise
    `InputError` if the server cannot be read.

    url         ends in `/api/v1/read`; may have a user and a password
    headers     sent with each request, such as `Authorization`
    timeout     seconds for the connection, and for each read
    most_bytes  limit of an answer in one message, decompressed
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60.0,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._url = url
        self._what = without_credentials(url)[0]
        self._headers = {**_HEADERS, **(headers or {})}
        self._timeout = timeout
        self._most_bytes = most_bytes

    def __repr__(self) -> str:
        return f"RemoteReadSource({self._what!r})"

    def has_histograms(self) -> bool:
        """True: it is not known before samples are read."""
        return True

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: Hints = NO_HINTS,  # noqa: ARG002 - the protocol has none of them
    ) -> Selection:
        """See `Source.select`. Loads all samples."""
        request = read_request(matchers or [_ANYTHING], start_ms, end_ms, labels_only=False)
        with self._answer(request) as answer:
            kind = answer.headers.get("Content-Type", "")
            if kind.startswith("application/x-streamed-protobuf"):
                batch = _batch_of_frames(answer, self._what)
            else:
                batch = _batch_of_samples(self._unpacked(answer))
        return TableSource(batch).select([], start_ms, end_ms)

    def series(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> SeriesTable:
        """See `Source.series`."""
        found: list[dict[str, str]] = []
        for matchers in matcher_sets or [[]]:
            request = read_request(matchers or [_ANYTHING], start_ms, end_ms, labels_only=True)
            with self._answer(request) as answer:
                found += label_sets_of(self._unpacked(answer))
        table = SeriesTable.from_dicts(found)
        _, firsts = np.unique(table.keys(), return_index=True)
        table = table.take(np.sort(firsts))
        return table.take(table.order())

    def metadata(self) -> dict[str, Metadata]:
        """Nothing: remote read has no metadata."""
        return {}

    def _answer(self, request: bytes) -> AbstractContextManager[HTTPResponse]:
        body = bytes(cramjam.snappy.compress_raw(request))
        return answer_to(self._url, timeout=self._timeout, headers=self._headers, body=body)

    def _unpacked(self, answer: Readable) -> bytes:
        body = answer.read(self._most_bytes + 1)
        try:
            size = cramjam.snappy.decompress_raw_len(body)
            if max(size, len(body)) > self._most_bytes:
                raise InputError(f"{self._what}: the answer has more than {self._most_bytes} bytes")
            return bytes(cramjam.snappy.decompress_raw(body))
        except cramjam.DecompressionError as problem:
            raise InputError(f"{self._what}: the answer is no snappy block: {problem}") from problem


def _batch_of_frames(answer: Readable, what: str) -> Batch:
    number_of: dict[tuple[tuple[str, str], ...], int] = {}
    label_sets: list[dict[str, str]] = []
    rows: list[int] = []
    chunks: list[tuple[Encoding, bytes]] = []
    for series in series_of_frames(answer, what):
        key = tuple(series.labels.items())
        row = number_of.setdefault(key, len(number_of))
        if row == len(label_sets):
            label_sets.append(series.labels)
        rows += [row] * len(series.chunks)
        chunks += series.chunks
    kinds = np.fromiter((kind for kind, _ in chunks), np.int64, len(chunks))
    try:
        found = samples_of([data for _, data in chunks], kinds, np.array(rows, np.int64))
    except BrokenChunk as problem:
        labels = label_sets[rows[problem.number]]
        raise InputError(f"{what}: a chunk of {labels}: {problem}") from problem
    table = SeriesTable.from_dicts(label_sets)
    return Batch(table, found.rows, found.times, found.values, found.native)


def _batch_of_samples(message: bytes) -> Batch:
    decoder = RemoteWriteDecoder()
    found = (decoder.decode_message(message[start:stop]) for start, stop in results_of(message))
    return concat_batches(one.batch for one in found)
