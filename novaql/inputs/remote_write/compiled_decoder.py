"""Messages of remote write 1.0 by the compiled walk.

What a message teaches is entered when nothing can be wrong with the message any more: its other
fields and its times are read before, and the texts of labels that are refused are taken back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from novaql.inputs.compiled.compiling import Kernels
from novaql.inputs.compiled.text_table import Octets, TextTable
from novaql.inputs.exemplar_rows import Exemplar, exemplar_columns, read_exemplar
from novaql.inputs.label_limits import LabelLimits
from novaql.inputs.remote_write.growing_table import EMPTY, METRIC, GrowingTable
from novaql.inputs.remote_write.histograms import WireHistogram, columns_of, read_histogram
from novaql.inputs.remote_write.metadata import read_metadata
from novaql.inputs.remote_write.write_request import WriteRequest, need_storable
from novaql.tsdb.model.exemplars import Exemplars
from novaql.tsdb.model.labels import METRIC_NAME, Ints, SeriesTable
from novaql.tsdb.model.samples import STALE, Batch, Floats, HistogramSamples
from novaql.tsdb.model.source import Metadata

_METADATA, _EXEMPLAR, _HISTOGRAM = 0, 3, 4
_SMALLEST_SAMPLE, _SMALLEST_SERIES, _SMALLEST_OTHER = 9, 17, 32
_OCTETS_KEPT = 16 << 20
_MOST_CELLS = 1 << 27
_MOST_OCTETS = 256 << 20


class CompiledDecoder:
    """Decodes messages and remembers the series it has met. One thread at a time.

    most_series  how many are remembered before memory is given back
    limits       of what one message may hold
    """

    def __init__(self, kernels: Kernels, *, most_series: int, limits: LabelLimits) -> None:
        self._kernels = kernels
        self._most_series = most_series
        self._limits = limits
        self._room = _Room(0)
        self._forget()

    def _forget(self) -> None:
        self._learning = False
        self._table = GrowingTable()
        self._texts = TextTable(self._kernels)
        self._strings: list[str] = []
        self._labels = TextTable(self._kernels)
        self._series: Ints = np.zeros(64, np.int64)
        self._follower: Ints = np.full(65, -1)
        known = np.frombuffer(METRIC_NAME.encode(), np.uint8)
        self._enter(self._texts, known, np.array([[0, 0, 0], [0, len(known), 0]]))
        self._read_new_texts()
        assert self._strings[EMPTY] == ""
        assert self._strings[METRIC] == METRIC_NAME

    def decode(self, data: Octets) -> WriteRequest | None:
        """What a message brings; None if it is for the plain decoder to read, or to refuse.

        Raises `InputError` for a histogram or a time that cannot be.
        """
        if self._learning or self._is_full():  # an error ended the learning halfway
            self._forget()
        room = self._room.for_message(len(data))
        self._room = room if room.octets <= _OCTETS_KEPT else _Room(0)
        found = np.zeros(2, np.int64)
        count = self._kernels.walk(
            data, self._labels.seed, *self._labels.arrays, self._series, self._follower,
            room.rows, room.times, room.bits, room.missing, room.others, found,
        )  # fmt: skip
        if count < 0:
            return None
        lacking, odd = found.tolist()
        parts = _read_parts(data, room, count, odd)
        if lacking:
            self._learning = True
            learned = self._learn(data, room.missing[:lacking])
            self._learning = False
            if learned is None:
                return None
            parts.settle(learned)
        return parts.request(self._table.table())

    def _is_full(self) -> bool:
        return (
            self._table.rows > self._most_series
            or self._table.cells > _MOST_CELLS
            or self._texts.used + self._labels.used > _MOST_OCTETS
        )

    def _learn(self, data: Octets, missing: Ints) -> Ints | None:
        """[R] rows of the series whose label bytes are in `missing`; None if any is odd."""
        limits = self._limits
        labels, octets = int(missing[:, 2].sum()), int((missing[:, 1] - missing[:, 0]).sum())
        if int(missing[:, 2].max()) > limits.labels or len(missing) > limits.series:
            return None
        texts, before = self._texts, (self._texts.count, self._texts.used)
        texts.make_room(2 * labels, octets)
        pairs, found = np.empty((labels, 3), np.int64), np.array([0, texts.used])
        count = self._kernels.label_texts(
            data, missing, texts.seed, *texts.arrays, texts.count, pairs, found
        )
        rows = None
        if count >= 0:
            texts.count, texts.used = count, int(found[1])
            rows = self._rows_of(pairs, len(missing))
        if rows is None:
            texts.cut(*before)
            del self._strings[texts.count :]
            return None
        numbers = self._enter(self._labels, data, missing)
        known = self._labels.count
        if known > len(self._series):
            self._series = np.append(self._series, np.zeros(known, np.int64))
            self._follower = np.append(self._follower, np.full(known, -1))
        self._series[numbers] = rows
        return rows

    def _rows_of(self, pairs: Ints, series: int) -> Ints | None:
        """[series] rows of the table, new ones if need be; None if the labels are refused."""
        limits, sizes = self._limits, self._texts.sizes
        if not self._read_new_texts():
            return None
        pairs[:, 1:] = np.maximum(pairs[:, 1:], EMPTY)  # a field that is not there
        if len(pairs) and (
            int(sizes[pairs[:, 1]].max()) > limits.name_bytes
            or int(sizes[pairs[:, 2]].max()) > limits.value_bytes
        ):
            return None
        names = len(np.unique(pairs[:, 1]))
        if names > limits.names or names * series > limits.cells:
            return None
        return self._table.rows_of(pairs, series, self._strings)

    def _enter(self, into: TextTable, data: Octets, regions: Ints) -> Ints:
        into.make_room(len(regions), int((regions[:, 1] - regions[:, 0]).sum()))
        numbers = np.zeros(len(regions) + 1, np.int64)
        numbers[-1] = into.used
        into.count = self._kernels.enter(
            data, regions, into.seed, *into.arrays, into.count, numbers
        )
        into.used = int(numbers[-1])
        return numbers[:-1]

    def _read_new_texts(self) -> bool:
        """Whether they all are UTF-8."""
        try:
            for number in range(len(self._strings), self._texts.count):
                self._strings.append(self._texts.text(number).decode())
        except UnicodeDecodeError:
            return False
        return True


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """What a message brings, as columns. Where a row is not known yet it is -1 - i, of the i-th
    series whose label bytes are not known."""

    rows: Ints
    times: Ints
    values: Floats
    native: HistogramSamples | None
    exemplars: Exemplars | None
    metadata: dict[str, Metadata]

    def settle(self, learned: Ints) -> None:
        """Put in the rows that were not known."""
        native, exemplars = self.native, self.exemplars
        for numbers in (
            self.rows,
            *([] if native is None else [native.series_index]),
            *([] if exemplars is None else [exemplars.series_index]),
        ):
            unknown = numbers < 0
            numbers[unknown] = learned[-1 - numbers[unknown]]

    def request(self, table: SeriesTable) -> WriteRequest:
        batch = Batch(
            table, self.rows, self.times, self.values, self.native, exemplars=self.exemplars
        )
        histograms = 0 if self.native is None else len(self.native.timestamps)
        return WriteRequest(batch, self.metadata, histograms)


def _read_parts(data: Octets, room: _Room, samples: int, odd: int) -> _Parts:
    """Raises `InputError`."""
    rows, times = room.rows[:samples].copy(), room.times[:samples].copy()
    values: Floats = room.bits[:samples].copy().view(np.float64)
    metadata: dict[str, Metadata] = {}
    whole: list[tuple[int, WireHistogram]] = []
    ended: list[tuple[int, int]] = []
    exemplars: list[Exemplar] = []
    exemplar_rows: list[int] = []
    for number, begin, end, row in room.others[:odd].tolist():
        field = data[begin:end].tobytes()
        if number == _EXEMPLAR:
            exemplars.append(read_exemplar(field, 0, len(field)))
            exemplar_rows.append(row)
            continue
        if number == _METADATA:
            name, said = read_metadata(field, 0, len(field))
            metadata[name] = said
            continue
        histogram = read_histogram(field, 0, len(field))
        if histogram.stale:
            ended.append((row, histogram.time))
        else:
            whole.append((row, histogram))
    if ended:
        marks = np.array(ended, np.int64)
        rows, times = np.append(rows, marks[:, 0]), np.append(times, marks[:, 1])
        values = np.append(values, np.full(len(marks), STALE))
    need_storable(times, [one.time for _, one in whole])
    native = None
    if whole:
        native = HistogramSamples(
            np.array([row for row, _ in whole], np.int64),
            np.array([one.time for _, one in whole], np.int64),
            columns_of([one for _, one in whole]),
        )
    beside = exemplar_columns(np.array(exemplar_rows, np.int64), exemplars)
    return _Parts(rows, times, values, native, beside, metadata)


class _Room:
    """Arrays that a walk writes into, large enough for messages of `octets`."""

    def __init__(self, octets: int) -> None:
        self.octets = octets
        samples = octets // _SMALLEST_SAMPLE + 1
        self.rows: Ints = np.empty(samples, np.int64)
        self.times: Ints = np.empty(samples, np.int64)
        self.bits: NDArray[np.uint64] = np.empty(samples, np.uint64)
        self.missing: Ints = np.empty((octets // _SMALLEST_SERIES + 1, 3), np.int64)
        self.others: Ints = np.empty((octets // _SMALLEST_OTHER + 1, 4), np.int64)

    def for_message(self, octets: int) -> _Room:
        """This one, or a larger one."""
        return self if octets <= self.octets else _Room(2 * octets)
