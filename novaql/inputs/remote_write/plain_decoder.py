"""Decodes a `WriteRequest` of remote write 1.0 into a batch of samples, in Python and NumPy.

A sender repeats the label bytes of its series. The decoder parses them once, and later recognises
them by comparing bytes, first with the series that followed the one before in the last message. The
samples of a message are decoded together, as arrays. Series of an invalid message are removed.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from novaql.errors import InputError
from novaql.inputs.known_series import MOST_SERIES, KnownSeries, SeriesTexts
from novaql.inputs.label_limits import USUAL_LIMITS, LabelLimits
from novaql.inputs.protobuf.label_fields import end_of_labels, label_set
from novaql.inputs.protobuf.wire import BYTES, fields, read_varint
from novaql.inputs.remote_write.message_columns import Collected, MessageColumns
from novaql.inputs.remote_write.metadata import read_metadata
from novaql.inputs.remote_write.samples import decode_samples
from novaql.inputs.remote_write.write_request import WriteRequest, need_metric_name
from novaql.tsdb.model.labels import Ints, SeriesTable
from novaql.tsdb.model.source import Metadata

_FIRST_FIELD = 0x0A  # number 1, bytes: a time series in the message, a label in a time series
_MORE_LABELS = b"\x0a"
_NO_FOLLOWER = (-1, b"")


class PlainDecoder:
    """Decodes messages, and caches the series in them. Not thread-safe.

    most_series  number of cached series above which the cache is cleared
    limits       limits of one message

    Messages whose series are all cached share one `SeriesTable` object.
    """

    def __init__(
        self, *, most_series: int = MOST_SERIES, limits: LabelLimits = USUAL_LIMITS
    ) -> None:
        self._most_series = most_series
        self._limits = limits
        self._new_names: set[str] = set()  # label names of the new series of a message
        self._clear()

    def _clear(self) -> None:
        self._known = KnownSeries()
        # Label bytes → number. A bound method would be a cycle, and would delay the release of the
        # cached series until the next full garbage collection.
        read_labels = partial(_read_labels, self._limits, self._new_names)
        self._numbers = SeriesTexts(read_labels, self._known)
        self._follower: dict[int, tuple[int, bytes]] = {}
        self._common = SeriesTable.unlabelled(0)
        self._names: set[str] = set()

    def decode(self, data: bytes) -> WriteRequest:
        """Decode a message. Raises `InputError`; a bad message is rejected as a whole."""
        full = len(self._known) > self._most_series or self._known.is_full
        if full or len(self._names) > self._limits.names:
            self._clear()
        self._new_names.clear()
        with self._numbers.all_or_nothing():
            return self._decode(data)

    def _decode(self, data: bytes) -> WriteRequest:
        numbers: list[int] = []
        starts: list[int] = []
        stops: list[int] = []
        metadata: dict[str, Metadata] = {}
        known, before = self._numbers, len(self._known)
        follower = self._follower
        followed: dict[int, tuple[int, bytes]] = {}
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
                samples = end_of_labels(data, start, stop)
                labels = data[start:samples]
                try:
                    number = known[labels]
                except InputError as problem:
                    raise InputError(f"time series at byte {start}: {problem}") from problem
                followed[last] = (number, labels)
            if len(numbers) >= self._limits.series:
                self._limits.check_series(len(numbers) + 1)
            numbers.append(number)
            starts.append(samples)
            stops.append(stop)
            last = number
            at = stop
        decoded = decode_samples(data, np.array(starts, np.int64), np.array(stops, np.int64))
        found = Collected()
        for at, exemplar in decoded.exemplars:
            found.exemplars.add(-1 - numbers[at], exemplar)
        for at, one in decoded.histograms:
            found.histograms.add(-1 - numbers[at], 0, one)
        of_series = np.array(numbers, np.int64)
        self._known.note_sent(of_series)
        rows = np.repeat(-1 - of_series, decoded.counts)
        columns = MessageColumns.of(rows, decoded.times, decoded.values, None, found)
        learned = len(self._known) - before
        self._limits.check_table(learned, len(self._new_names))
        self._follower |= followed
        self._names |= self._new_names
        table, row_of = self._table_of(of_series, learned > 0)
        columns.settle(row_of)
        return columns.request(table, metadata)

    def _other_field(self, data: bytes, at: int, metadata: dict[str, Metadata]) -> int:
        number, kind, start, stop = next(fields(data, at, len(data)))
        if number == 3 and kind == BYTES:
            name, found = read_metadata(data, start, stop)
            metadata[name] = found
        elif number == 1:
            raise InputError(f"byte {at}: a time series has wire type {kind}")
        return stop

    def _table_of(self, numbers: Ints, learned: bool) -> tuple[SeriesTable, Ints]:
        """A table with these series, and the row of each series by number.

        The common table has the first series by number. It is rebuilt once the series outside it
        are an eighth of those inside; until then, messages with such series get their own tables.
        """
        most = int(numbers.max(initial=-1))
        if most >= len(self._common):
            outside = len(self._known) - len(self._common)
            if learned or outside < max(1, len(self._common) // 8):
                table, index = self._known.table(numbers)
                row_of = np.zeros(most + 1, np.int64)
                row_of[numbers] = index
                return table, row_of
            self._common = SeriesTable.from_dicts(self._known.label_sets)
        return self._common, np.arange(len(self._common))


def _read_labels(limits: LabelLimits, new_names: set[str], labels: bytes) -> dict[str, str]:
    """The label set of label bytes that are new. Its names are added to `new_names`."""
    found = label_set(labels, limits.labels)
    need_metric_name(found)
    limits.check(found)
    new_names.update(found)
    limits.check_names(len(new_names))
    return found
