"""Decodes a `WriteRequest` of remote write 1.0 into a batch of samples, in Python and NumPy.

A sender repeats the label bytes of its series. The decoder parses them once, and later recognises
them by comparing bytes, first with the series that followed the one before in the last message. The
samples of a message are decoded together, as arrays. New series are collected in a draft, and added
to the known ones once the whole message is valid.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from novaql.errors import InputError
from novaql.inputs.exemplar_rows import exemplar_columns
from novaql.inputs.label_limits import USUAL_LIMITS, LabelLimits
from novaql.inputs.protobuf.wire import BYTES, fields, read_varint
from novaql.inputs.remote_write.histograms import columns_of
from novaql.inputs.remote_write.labels import read_labels
from novaql.inputs.remote_write.metadata import read_metadata
from novaql.inputs.remote_write.samples import decode_samples
from novaql.inputs.remote_write.write_request import WriteRequest, need_storable
from novaql.tsdb.model.labels import Ints, SeriesTable
from novaql.tsdb.model.samples import Batch, HistogramSamples
from novaql.tsdb.model.source import Metadata
from novaql.tsdb.runtime.lru_cache import ByteCache, each

MOST_SERIES_KEPT = 1_000_000
_MOST_TABLES = 64
_FIRST_FIELD = 0x0A  # number 1, bytes: a time series in the message, a label in a time series
_MORE_LABELS = b"\x0a"
_NO_FOLLOWER = (-1, b"")


@dataclass(slots=True)
class _Draft:
    """The new series of a message, in the form in which the decoder stores them.

    first  number of the first new series
    """

    first: int
    label_sets: list[dict[str, str]] = field(default_factory=list)
    number_of: dict[frozenset[tuple[str, str]], int] = field(default_factory=dict)
    known: dict[bytes, int] = field(default_factory=dict)
    follower: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)


class PlainDecoder:
    """Decodes messages, and caches the series in them. Not thread-safe.

    most_series  number of cached series above which the cache is cleared
    limits       limits of one message

    Messages whose series are all cached share one `SeriesTable` object.
    """

    def __init__(
        self, *, most_series: int = MOST_SERIES_KEPT, limits: LabelLimits = USUAL_LIMITS
    ) -> None:
        self._most_series = most_series
        self._limits = limits
        self._label_sets: list[dict[str, str]] = []
        self._number_of: dict[frozenset[tuple[str, str]], int] = {}
        self._known: dict[bytes, int] = {}
        self._follower: dict[int, tuple[int, bytes]] = {}
        self._common = SeriesTable.unlabelled(0)
        self._own_tables: ByteCache[SeriesTable] = ByteCache(_MOST_TABLES, each)
        self._names: set[str] = set()

    def decode(self, data: bytes) -> WriteRequest:
        """Read a message. Raises `InputError`; a bad message is refused as a whole."""
        if len(self._label_sets) > self._most_series or len(self._names) > self._limits.names:
            self._forget()
        numbers: list[int] = []
        starts: list[int] = []
        stops: list[int] = []
        metadata: dict[str, Metadata] = {}
        follower, known = self._follower, self._known
        draft = _Draft(len(self._label_sets))
        last, end, at = -1, len(data), 0
        while at < end:
            if data[at] != _FIRST_FIELD:
                at = self._other_field(data, at, metadata)
                continue
            size, start = read_varint(data, at + 1, end)
            stop = start + size
            if stop > end:
                raise InputError(f"byte {at}: a time series ends behind the message")
            number, labels = follower.get(last, _NO_FOLLOWER)
            samples = start + len(labels)
            if (
                number < 0
                or samples > stop
                or not data.startswith(labels, start)
                or data[samples : samples + 1] == _MORE_LABELS
            ):
                samples = _end_of_labels(data, start, stop)
                labels = data[start:samples]
                found = known.get(labels)
                number = self._learn(labels, start, draft) if found is None else found
                draft.follower[last] = (number, labels)
            if len(numbers) >= self._limits.series:
                self._limits.check_series(len(numbers) + 1)
            numbers.append(number)
            starts.append(samples)
            stops.append(stop)
            last = number
            at = stop
        decoded = decode_samples(data, np.array(starts, np.int64), np.array(stops, np.int64))
        histograms = [one for _, one in decoded.histograms]
        need_storable(decoded.times, [one.time for one in histograms])
        of_series = np.array(numbers, np.int64)
        self._limits.check_table(len(draft.label_sets), len(draft.names))
        both = (*decoded.histograms, *decoded.exemplars)
        owners = of_series[[at for at, _ in both]] if both else of_series[:0]
        native, exemplars = None, exemplar_columns(owners, [one for _, one in decoded.exemplars])
        if histograms:
            times = np.array([one.time for one in histograms], np.int64)
            native = HistogramSamples(owners, times, columns_of(histograms))
        self._enter(draft)
        rows, learned = np.repeat(of_series, decoded.counts), bool(draft.label_sets)
        if both:
            table, every = self._table_of(np.concatenate([rows, owners]), learned)
            index, own = every[: len(rows)], every[len(rows) :]
            if native is not None:
                native = replace(native, series_index=own[: len(histograms)])
            if exemplars is not None:
                exemplars = replace(exemplars, series_index=own[len(histograms) :])
        else:
            table, index = self._table_of(rows, learned)
        batch = Batch(table, index, decoded.times, decoded.values, native, exemplars=exemplars)
        return WriteRequest(batch, metadata, len(histograms))

    def _other_field(self, data: bytes, at: int, metadata: dict[str, Metadata]) -> int:
        number, kind, start, stop = next(fields(data, at, len(data)))
        if number == 3 and kind == BYTES:
            name, found = read_metadata(data, start, stop)
            metadata[name] = found
        elif number == 1:
            raise InputError(f"byte {at}: a time series has wire type {kind}")
        return stop

    def _learn(self, labels: bytes, at: int, draft: _Draft) -> int:
        """The number of a series whose label bytes are new; `at` is their position."""
        number = draft.known.get(labels)
        if number is not None:
            return number
        try:
            found = read_labels(labels, self._limits.labels)
            self._limits.check(found)
            draft.names.update(found)
            self._limits.check_names(len(draft.names))
        except InputError as problem:
            raise InputError(f"time series at byte {at}: {problem}") from problem
        pairs, fresh = frozenset(found.items()), draft.first + len(draft.label_sets)
        number = self._number_of.get(pairs)
        if number is None:
            number = draft.number_of.setdefault(pairs, fresh)
        if number == fresh:
            draft.label_sets.append(found)
        draft.known[labels] = number
        return number

    def _enter(self, draft: _Draft) -> None:
        """Label sets first: each known number must have one."""
        self._label_sets += draft.label_sets
        self._number_of |= draft.number_of
        self._known |= draft.known
        self._follower |= draft.follower
        self._names |= draft.names

    def _table_of(self, numbers: Ints, learned: bool) -> tuple[SeriesTable, Ints]:
        """A table with these series, and the row of each.

        The common table has the first series by number. It is rebuilt once the series outside it
        are an eighth of those inside; until then, messages with such series get their own tables.
        """
        outside = len(self._label_sets) - len(self._common)
        rebuild = not learned and outside >= max(1, len(self._common) // 8)
        if int(numbers.max(initial=-1)) >= len(self._common):
            if not rebuild:
                return self._own_table(numbers)
            self._common = SeriesTable.from_dicts(self._label_sets)
        return self._common, numbers

    def _own_table(self, numbers: Ints) -> tuple[SeriesTable, Ints]:
        distinct, index = np.unique(numbers, return_inverse=True)
        key = distinct.tobytes()
        table = self._own_tables.get(key)
        if table is None:
            sets = self._label_sets
            table = SeriesTable.from_dicts([sets[number] for number in distinct.tolist()])
            self._own_tables.put(key, table)
        return table, index.astype(np.int64, copy=False)

    def _forget(self) -> None:
        self._label_sets.clear()
        self._number_of.clear()
        self._known.clear()
        self._follower.clear()
        self._common = SeriesTable.unlabelled(0)
        self._own_tables.clear()
        self._names.clear()


def _end_of_labels(data: bytes, at: int, stop: int) -> int:
    while at < stop and data[at] == _FIRST_FIELD:
        size, start = read_varint(data, at + 1, stop)
        if start + size > stop:
            raise InputError(f"byte {at}: a label ends behind its time series")
        at = start + size
    return at
