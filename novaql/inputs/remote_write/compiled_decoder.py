"""Messages of remote write 1.0 by the compiled walk.

New series are added only after the whole message is validated: its other fields and its times are
read before, and the texts of rejected labels are removed again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from novaql.errors import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs.compiled.text_table import Octets
from novaql.inputs.exemplar_rows import read_exemplar
from novaql.inputs.label_limits import LabelLimits
from novaql.inputs.remote_write.compiled_decoder_2 import Decoder2
from novaql.inputs.remote_write.histograms import read_histogram
from novaql.inputs.remote_write.keyed_series import KeyedSeries
from novaql.inputs.remote_write.message_columns import Collected, MessageColumns
from novaql.inputs.remote_write.metadata import read_metadata
from novaql.inputs.remote_write.write_request import WriteRequest
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.model.source import Metadata
from novaql.tsdb.runtime.compiled import Functions

_METADATA, _EXEMPLAR = 0, 3
_SMALLEST_SAMPLE, _SMALLEST_SERIES, _SMALLEST_OTHER = 9, 17, 32
_MOST_SCRATCH_OCTETS = 16 << 20
_OCTETS = 8
"""Samples have at least 12 bytes, unless their value or time is 0."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """The beginning of a message: its content, how many bytes it has, and how many series."""

    request: WriteRequest
    end: int
    series: int


class CompiledDecoder:
    """Decodes messages of both versions, and caches their series. Not thread-safe.

    most_series  number of cached series above which the cache is cleared
    limits       limits of one message
    """

    def __init__(self, kernels: Functions, *, most_series: int, limits: LabelLimits) -> None:
        self._kernels = kernels
        self._most_series = most_series
        self._limits = limits
        self._scratch = _Scratch(0)
        self._key: Octets = np.empty(0, np.uint8)
        self._known = KeyedSeries(kernels, limits)
        self._learning = False

    def decode_2(self, data: Octets) -> WriteRequest | None:
        """Decode a message of remote write 2.0, as `decode` one of 1.0."""
        known = self._ready()
        self._learning = True
        try:
            request = Decoder2(self._kernels, known, self._limits, data).decode()
        except InputError:  # raised before any series is added
            self._learning = False
            raise
        self._learning = False
        if request is not None:
            known.note_sent(request.batch)
        return request

    def decode(self, data: Octets) -> WriteRequest | None:
        """Decode a message; None if the plain decoder must read, or reject, it.

        Raises `InputError` for an invalid histogram or time.
        """
        found = self._beginning(data, len(data), len(data))
        return None if found is None else found.request

    def decode_beginning(self, data: Octets, most: int) -> Beginning | None:
        """Decode the fields of a message up to the first one that begins at or behind byte `most`,
        and fewer if their samples have few bytes: a sample takes as much memory as `_OCTETS` bytes.

        None and errors as of `decode`; None also for a field of more than `most` bytes.
        """
        return self._beginning(data, most, 1 + most // _OCTETS)

    def _beginning(self, data: Octets, most: int, most_samples: int) -> Beginning | None:
        known = self._ready()
        # Of the allowed labels, four bytes each. A label in a message has more bytes than that.
        if len(self._key) < (longest := min(4 * self._limits.labels, len(data))):
            self._key = np.empty(longest, np.uint8)
        scratch = self._scratch.for_message(min(len(data), 2 * most))
        self._scratch = scratch if scratch.octets <= _MOST_SCRATCH_OCTETS else _Scratch(0)
        found = np.zeros(4, np.int64)
        names = known.labels_1
        count = self._kernels.walk(
            data, most, most_samples, known.fields.arrays, names.arrays, names.series,
            names.follower, self._key, scratch.rows, scratch.times, scratch.bits, scratch.missing,
            scratch.others, found,
        )  # fmt: skip
        if count < 0:
            return None
        lacking, odd, end, series = found.tolist()
        columns, metadata = _read_parts(data[:end], scratch, count, odd)
        if lacking:
            self._learning = True
            learned = self._learn(data, scratch.missing[:lacking])
            self._learning = False
            if learned is None:
                return None
            columns.settle(learned)
        request = columns.request(known.table.table(), metadata)
        known.note_sent(request.batch)
        return Beginning(request, end, series)

    def _ready(self) -> KeyedSeries:
        # An exception that ended the adding of series left them incomplete.
        if self._learning or self._known.is_full(self._most_series):
            self._known = KeyedSeries(self._kernels, self._limits)
            self._learning = False
        return self._known

    def _learn(self, data: Octets, missing: Ints) -> Ints | None:
        """[R] rows of the series whose label bytes are in `missing`; None if any is unusual."""
        limits, known = self._limits, self._known
        labels, octets = int(missing[:, 2].sum()), int((missing[:, 1] - missing[:, 0]).sum())
        if int(missing[:, 2].max()) > limits.labels or len(missing) > limits.series:
            return None
        texts, before = known.texts, (known.texts.count, known.texts.used)
        texts.reserve(2 * labels, octets)
        pairs, found = np.empty((labels, 3), np.int64), np.array([0, texts.used])
        count = self._kernels.label_texts(data, missing, texts.arrays, texts.count, pairs, found)
        rows = None
        if count >= 0:
            texts.count, texts.used = count, int(found[1])
            if known.decode_new_texts():
                rows = known.rows_of(pairs, len(missing))
        if rows is None:
            known.remove_texts(*before)
            return None
        fields, used = known.fields, np.array([known.fields.used])
        fields.reserve(labels, octets)
        keys, places = np.empty(4 * labels, np.uint8), np.empty((len(missing), 2), np.int64)
        fields.count = self._kernels.field_keys(
            data, missing, fields.arrays, fields.count, keys, places, used
        )
        fields.used = int(used[0])
        known.labels_1.add_series(keys, places, rows)
        return rows


def _read_parts(
    data: Octets, scratch: _Scratch, samples: int, odd: int
) -> tuple[MessageColumns, dict[str, Metadata]]:
    """Raises `InputError`."""
    metadata: dict[str, Metadata] = {}
    found = Collected()
    message = data.tobytes() if odd else b""
    # by columns: the garbage collector would visit each row of a nested list
    for number, begin, end, row in zip(*scratch.others[:odd].T.tolist(), strict=True):
        if number == _EXEMPLAR:
            found.exemplars.add(row, read_exemplar(message, begin, end))
        elif number == _METADATA:
            name, described = read_metadata(message, begin, end)
            metadata[name] = described
        else:
            found.histograms.add(row, 0, read_histogram(message, begin, end))
    values: Floats = scratch.bits[:samples].copy().view(np.float64)
    series, times = scratch.rows[:samples].copy(), scratch.times[:samples].copy()
    return MessageColumns.of(series, times, values, None, found), metadata


class _Scratch:
    """Arrays that a walk writes into, large enough for messages of `octets`."""

    def __init__(self, octets: int) -> None:
        self.octets = octets
        samples = octets // _SMALLEST_SAMPLE + 1
        self.rows: Ints = np.empty(samples, np.int64)
        self.times: Ints = np.empty(samples, np.int64)
        self.bits: NDArray[np.uint64] = np.empty(samples, np.uint64)
        self.missing: Ints = np.empty((octets // _SMALLEST_SERIES + 1, 3), np.int64)
        self.others: Ints = np.empty((octets // _SMALLEST_OTHER + 1, 4), np.int64)

    def for_message(self, octets: int) -> _Scratch:
        """This one, or a larger one."""
        return self if octets <= self.octets else _Scratch(2 * octets)
