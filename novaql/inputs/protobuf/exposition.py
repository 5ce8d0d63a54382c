"""The Prometheus protobuf format → batches of samples.

A text is a sequence of messages `io.prometheus.client.MetricFamily`, each after its length. Targets
expose native histograms in this format. A summary and a classic histogram become the same series as
in text. The labels of a series are parsed once and then looked up by their bytes.
"""

from __future__ import annotations

import math
import re
import struct
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from novaql.errors import InputError, LimitExceeded
from novaql.inputs.compression import open_plain
from novaql.inputs.known_series import KnownSeries
from novaql.inputs.label_limits import NO_LIMITS, LabelLimits
from novaql.inputs.protobuf.label_fields import end_of_labels
from novaql.inputs.protobuf.metric_family import MetricFamily
from novaql.inputs.protobuf.metric_message import (
    read_histogram,
    read_point,
    read_summary,
    read_time_ms,
)
from novaql.inputs.protobuf.native_rows import HistogramProblem, NativeRow, NativeRows
from novaql.inputs.protobuf.wire import BYTES, VARINT, fields, read_varint, text
from novaql.inputs.read_options import ReadOptions
from novaql.inputs.sample_times import REASON
from novaql.inputs.text.exposition import BLOCK_BYTES
from novaql.tsdb.model.histograms import ResetHint
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Batch, HistogramSamples
from novaql.tsdb.model.source import FIRST_SAMPLE_MS, LAST_SAMPLE_MS, Metadata

MOST_FAMILY_BYTES = 256 << 20
_MOST_METRIC_BYTES = 256 << 10
"""For a reader with limits: all samples of one metric are in memory at a time."""
_BATCH_SAMPLES, _BATCH_MESSAGES = 32 << 10, 4096
_TYPES = ("counter", "gauge", "summary", "unknown", "histogram", "gaugehistogram")
_VALUE_TAG, _VALUE_SIZE = 0x09, 9
_MOST_TIMES = 100_000
_DOUBLE = struct.Struct("<d")
_HEAD = re.compile(rb"[\x80-\xff]{0,4}[\x00-\x7f]\x0a([\x01-\x7f])([a-zA-Z_:][a-zA-Z0-9_:]*)")


class ProtobufParser:
    """Reads blocks of bytes, which may end inside a message, and caches the series in them.

    default_time_ms  time of samples without a time
    what             name of the text in messages
    always_classic   also return the classic series of a histogram that is native, too
    starts           return start timestamps
    empty            in place of the empty value of a label; "": the label is omitted

    exemplars counts those of the text; they are not read.
    """

    def __init__(
        self,
        *,
        default_time_ms: int,
        what: str = "message",
        always_classic: bool = False,
        starts: bool = True,
        empty: str = "",
        limits: LabelLimits = NO_LIMITS,
    ) -> None:
        self.default_time_ms = default_time_ms
        self.metadata: dict[str, Metadata] = {}
        self.exemplars = 0
        self._what = what
        self._always_classic = always_classic
        self._starts = starts
        self._empty = empty
        self._known = KnownSeries(limits)
        self._families: dict[str, MetricFamily] = {}
        self._times: dict[bytes, int] = {}
        self._rest = b""
        self._bytes_before = 0
        self._most_metric_bytes = MOST_FAMILY_BYTES if limits is NO_LIMITS else _MOST_METRIC_BYTES

    def start(self, default_time_ms: int) -> None:
        """Begin another text with the same series, such as the next scrape of a target."""
        self.default_time_ms = default_time_ms
        self.metadata = {}
        self.exemplars = 0
        self._rest = b""
        self._bytes_before = 0
        if self._known.is_full:
            self._forget()

    def _forget(self) -> None:
        self._known.forget()
        self._families.clear()

    def feed(self, block: bytes) -> Batch:
        """Samples of the families that are complete now. Batches with the same series share one
        table object. Raises `InputError`, after which no series is cached.
        """
        try:
            return self._feed(block)
        except BaseException:
            self._forget()
            raise

    def _feed(self, block: bytes) -> Batch:
        found = _Samples(self.default_time_ms)
        for _ in self._read(block, found):
            pass
        return self._batch(found)

    def slices(self, block: bytes) -> Iterator[Batch | None]:
        """As `feed`, in batches of bounded size; None now and then, so that the caller
        can do other work."""
        found = _Samples(self.default_time_ms)
        for _ in self._read(block, found):
            if len(found) < _BATCH_SAMPLES:
                yield None
                continue
            yield self._batch(found)
            found.clear()
        yield self._batch(found)

    def _batch(self, found: _Samples) -> Batch:
        if (outside := found.time_out_of_range()) is not None:
            raise InputError(f"{self._what}: the time {outside} ms is out of range: {REASON}")
        return found.batch(self._known)

    def _read(self, block: bytes, found: _Samples) -> Iterator[None]:
        """Add to `found`. Yields after some thousands of samples or messages."""
        data = self._rest + block if self._rest else block
        at = messages = 0
        try:
            while (place := self._next_message(data, at)) is not None:
                yield from self._family(data[place[0] : place[1]], found)
                at = place[1]
                messages += 1
                if messages % _BATCH_MESSAGES == 0:
                    yield
        except InputError as problem:
            raise InputError(
                f"{self._what}: message at byte {self._bytes_before + at}: {problem}"
            ) from problem
        self._rest = data[at:]
        self._bytes_before += at

    def finish(self) -> None:
        """End the text. Raises `InputError` if the last message is cut off."""
        if self._rest:
            self._forget()
            raise InputError(f"{self._what}: the message at byte {self._bytes_before} is cut off")

    def _next_message(self, data: bytes, at: int) -> tuple[int, int] | None:
        """Where the next message begins and ends; None if it is not complete."""
        end = len(data)
        if at >= end or (end - at < 10 and all(byte >= 0x80 for byte in data[at:])):
            return None
        size, start = read_varint(data, at, end)
        if size > MOST_FAMILY_BYTES:
            raise InputError(f"it claims to have {size} bytes; this is no metric family")
        return None if start + size > end else (start, start + size)

    def _family(self, data: bytes, found: _Samples) -> Iterator[None]:
        texts = {1: "", 2: "", 5: ""}
        code = 0
        # 16 bytes a metric, which may have as few as two itself.
        begins, ends = array("q"), array("q")
        for number, kind, start, stop in fields(data, 0, len(data)):
            if number == 4 and kind == BYTES:
                begins.append(start)
                ends.append(stop)
                if stop - start > self._most_metric_bytes:
                    raise LimitExceeded(f"a metric has more than {self._most_metric_bytes} bytes")
            elif number in texts and kind == BYTES:
                texts[number] = text(data, start, stop)
            elif number == 3 and kind == VARINT:
                code = read_varint(data, start, stop)[0]
            elif number <= 5:
                raise InputError(f"byte {start}: field {number} of a family has wire type {kind}")
        name = texts[1]
        if not name:
            raise InputError("a metric family has no name")
        if code >= len(_TYPES):
            raise InputError(f"{name}: there is no metric type {code}")
        kind_name = _TYPES[code]
        self.metadata[name] = Metadata(kind_name, texts[2], texts[5])
        family = self._families.get(name)
        if family is None or family.kind != kind_name:
            family = self._families[name] = MetricFamily(name, kind_name, self._known, self._empty)
        try:
            read = self._point
            if kind_name in ("histogram", "gaugehistogram"):
                read = self._histogram
            elif kind_name == "summary":
                read = self._summary
            for start, stop in zip(begins, ends, strict=True):
                read(family, data, start, stop, found)
                if len(found) >= _BATCH_SAMPLES:
                    yield
        except (InputError, HistogramProblem) as problem:
            raise InputError(f"{name}: {problem}") from problem

    def _point(self, family: MetricFamily, data: bytes, at: int, end: int, found: _Samples) -> None:
        labels = end_of_labels(data, at, end)
        # As senders write it: the content, which is a value, and perhaps a start timestamp.
        if (
            end - labels >= _VALUE_SIZE + 2
            and data[labels] == family.tag
            and data[labels + 2] == _VALUE_TAG
            and labels + 2 + data[labels + 1] == end
        ):
            rest = labels + 2 + _VALUE_SIZE
            if rest == end or (
                rest + 1 < end
                and data[rest] == family.start_tag
                and rest + 2 + data[rest + 1] == end
            ):
                started = 0 if rest == end else self._began(data[rest + 2 : end])
                value = _DOUBLE.unpack_from(data, labels + 3)[0]
                found.add(family.value(data[at:labels]), value, None, started)
                return
        content, time_ms, names = family.content(data, labels, end)
        point = read_point(data, *content)
        self.exemplars += point.exemplars
        started = point.start_ms if self._starts and family.kind == "counter" else 0
        found.add(family.value(data[at:labels] + names), point.value, time_ms, started)

    def _began(self, stamp: bytes) -> int:
        """A start timestamp from its bytes. Cached, since many series share one."""
        if not self._starts:
            return 0
        time_ms = self._times.get(stamp)
        if time_ms is None:
            time_ms = read_time_ms(stamp, 0, len(stamp), BYTES)
            if len(self._times) >= _MOST_TIMES:
                self._times.clear()
            self._times[stamp] = time_ms
        return time_ms

    def _summary(
        self, family: MetricFamily, data: bytes, at: int, end: int, found: _Samples
    ) -> None:
        labels = end_of_labels(data, at, end)
        content, time_ms, names = family.content(data, labels, end)
        key = data[at:labels] + names
        point = read_summary(data, *content)
        started = point.start_ms if self._starts else 0
        found.add(family.total(key, "_count"), point.count, time_ms, started)
        found.add(family.total(key, "_sum"), point.sum, time_ms, started)
        for quantile, value in point.quantiles:
            found.add(family.part(key, quantile), value, time_ms, started)

    def _histogram(
        self, family: MetricFamily, data: bytes, at: int, end: int, found: _Samples
    ) -> None:
        labels = end_of_labels(data, at, end)
        content, time_ms, names = family.content(data, labels, end)
        key = data[at:labels] + names
        point = read_histogram(data, *content)
        self.exemplars += point.exemplars
        started = point.start_ms if self._starts else 0
        if point.native is not None:
            if family.kind == "gaugehistogram":
                point.native.hint = ResetHint.GAUGE
            found.add_native(family.value(key), point.native, time_ms, started)
            if not (self._always_classic and point.buckets):
                return
        found.add(family.total(key, "_count"), point.count, time_ms, started)
        found.add(family.total(key, "_sum"), point.sum, time_ms, started)
        for bound, count in point.buckets:
            found.add(family.part(key, bound), count, time_ms, started)
        if not point.buckets or point.buckets[-1][0] != math.inf:
            found.add(family.part(key, math.inf), point.count, time_ms, started)


class _Samples:
    """Samples of a block, as lists that become columns."""

    def __init__(self, default_time_ms: int) -> None:
        self._default = default_time_ms
        self.clear()

    def __len__(self) -> int:
        return len(self._numbers) + len(self._native_numbers)

    def clear(self) -> None:
        self._numbers: list[int] = []
        self._values: list[float] = []
        self._times: list[int] = []
        self._starts: list[int] = []
        self._native = NativeRows()
        self._native_numbers: list[int] = []
        self._native_times: list[int] = []
        self._native_starts: list[int] = []

    def add(self, number: int, value: float, time_ms: int | None, start_ms: int) -> None:
        self._numbers.append(number)
        self._values.append(value)
        self._times.append(self._default if time_ms is None else time_ms)
        self._starts.append(start_ms)

    def add_native(self, number: int, row: NativeRow, time_ms: int | None, start_ms: int) -> None:
        self._native.add_row(row)
        self._native_numbers.append(number)
        self._native_times.append(self._default if time_ms is None else time_ms)
        self._native_starts.append(start_ms)

    def time_out_of_range(self) -> int | None:
        """A time that cannot be stored, if there is one."""
        for times in (self._times, self._native_times):
            if times and not FIRST_SAMPLE_MS <= min(times) <= max(times) <= LAST_SAMPLE_MS:
                return next(at for at in times if not FIRST_SAMPLE_MS <= at <= LAST_SAMPLE_MS)
        return None

    def batch(self, known: KnownSeries) -> Batch:
        table, index = known.table(np.array(self._numbers + self._native_numbers, np.int64))
        floats = len(self._numbers)
        native = None
        if self._native_numbers:
            native = HistogramSamples(
                index[floats:],
                np.array(self._native_times, np.int64),
                self._native.histograms(),
                _starts(self._native_starts),
            )
        return Batch(
            table,
            index[:floats],
            np.array(self._times, np.int64),
            np.array(self._values, np.float64),
            native,
            _starts(self._starts),
        )


def _starts(found: list[int]) -> Ints | None:
    return np.array(found, np.int64) if any(found) else None


def looks_like_protobuf(head: bytes) -> bool:
    """Whether a file that begins like this is a sequence of metric families."""
    found = _HEAD.match(head)
    return found is not None and len(found[2]) >= found[1][0]


def read_protobuf(
    path: Path, metadata: dict[str, Metadata], options: ReadOptions
) -> Iterator[Batch]:
    """Batches of samples from a file; fills `metadata`. Raises `InputError` with the position."""
    parser = ProtobufParser(
        default_time_ms=options.time_ms,
        what=str(path),
        always_classic=options.exposed.always_classic,
        starts=options.exposed.start_timestamps is not False,
    )
    with open_plain(path, options.progress) as file:
        while block := file.read(BLOCK_BYTES):
            batch = parser.feed(block)
            if len(batch):
                yield batch
        parser.finish()
    metadata.update(parser.metadata)
