"""Remote write 2.0 in Python and NumPy: `io.prometheus.write.v2.Request`.

The texts of a message are in a table of symbols. Samples are decoded as arrays, as in 1.0; native
histograms and exemplars one by one.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import overload

import numpy as np

from novaql.errors import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs.exemplar_rows import Exemplar, read_exemplar
from novaql.inputs.label_limits import USUAL_LIMITS, LabelLimits
from novaql.inputs.protobuf.wire import BYTES, VARINT, fields, read_number, read_varint, text
from novaql.inputs.remote_write.histograms import HISTOGRAM_START, WireHistogram, read_histogram
from novaql.inputs.remote_write.message_columns import Collected, MessageColumns
from novaql.inputs.remote_write.metadata import family_of, type_name
from novaql.inputs.remote_write.samples import decode_samples
from novaql.inputs.remote_write.write_request import WriteRequest, need_metric_name
from novaql.text.excerpts import excerpt
from novaql.tsdb.model.labels import METRIC_NAME, SeriesTable
from novaql.tsdb.model.source import Metadata

_SYMBOL, _SERIES = 4, 5
_REFS, _SAMPLE, _HISTOGRAM, _EXEMPLAR, _METADATA = 1, 2, 3, 4, 5
_SAMPLE_KEY, _SAMPLE_START = 0x12, 3
_SMALL = 256 << 10
"""The symbols of messages up to this size are decoded at once."""
_MOST_KNOWN = 1 << 14


@dataclass(slots=True)
class _Found:
    """The decoded content of the series so far.

    regions     series number, first and one past the last byte of adjacent samples
    samples     number of samples in the regions
    starts      number of a sample among those → its start timestamp
    others      histograms and exemplars, each with -1 - number of its series
    """

    limits: LabelLimits
    labels: list[dict[str, str]] = field(default_factory=list)
    number_of: dict[bytes, int] = field(default_factory=dict)
    regions: list[tuple[int, int, int]] = field(default_factory=list)
    samples: int = 0
    starts: dict[int, int] = field(default_factory=dict)
    others: Collected = field(default_factory=Collected)
    metadata: dict[str, Metadata] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)


Places = list[tuple[int, int]]
"""Fields in a message: first and one past the last byte."""


class Message2:
    """A message whose time series are decoded in parts. Call `walk` first."""

    def __init__(self, data: bytes, limits: LabelLimits = USUAL_LIMITS) -> None:
        self._data = data
        self._limits = limits
        self._symbols: Sequence[str] = []
        self._starts, self._stops = array("q"), array("q")

    def __len__(self) -> int:
        return len(self._starts)

    def walk(self, often: int = 1 << 30) -> Iterator[None]:
        """Find symbols and time series. Yields after each `often` fields.

        Raises `InputError`, `LimitExceeded`.
        """
        data, starts, stops = self._data, self._starts, self._stops
        symbols: list[str] | Symbols = [] if len(data) <= _SMALL else Symbols(data)
        for walked, (number, kind, start, stop) in enumerate(fields(data, 0, len(data))):
            if number == _SYMBOL and kind == BYTES:
                symbol = text(data, start, stop)
                if isinstance(symbols, list):
                    symbols.append(symbol)
                else:
                    symbols.put(start, stop)
            elif number == _SERIES and kind == BYTES:
                starts.append(start)
                stops.append(stop)
                if len(starts) > self._limits.series:
                    self._limits.check_series(len(starts))
            elif number in (1, 2, 3):
                raise InputError(
                    f"byte {start}: field {number} is one of remote write 1.0, not 2.0"
                )
            if walked % often == often - 1:
                yield
        if symbols and symbols[0]:
            raise InputError("the first symbol is not the empty text")
        self._symbols = symbols

    def groups(self, octets: int) -> Iterator[tuple[int, int]]:
        """Ranges of time series (first, one past last) of at most `octets`, or of one series."""
        first = size = 0
        for number in range(len(self)):
            own = self._stops[number] - self._starts[number]
            if size and size + own > octets:
                yield first, number
                first, size = number, 0
            size += own + 2
        if first < len(self) or not len(self):
            yield first, len(self)

    def octets(self, first: int, last: int) -> int:
        """Bytes of some time series."""
        return sum(self._stops[first:last]) - sum(self._starts[first:last])

    def places(self, first: int, last: int) -> Places:
        """The places of some time series."""
        return list(zip(self._starts[first:last], self._stops[first:last], strict=True))

    def decode(self, first: int, last: int) -> WriteRequest:
        """Decode some time series. Raises `InputError`, `LimitExceeded`."""
        return self._decode(self._data, self.places(first, last))

    def decode_one(self, data: bytes) -> WriteRequest:
        """Decode the content of one time series."""
        return self._decode(data, [(0, len(data))])

    def opened(self, number: int) -> tuple[bytes, bytes, int, int]:
        """The message, the label references of a time series, and the place of its other fields."""
        start, stop = self._starts[number], self._stops[number]
        which, kind, _, after = next(fields(self._data, start, stop))
        if which != _REFS or kind not in (BYTES, VARINT):
            raise InputError(f"time series at byte {start}: its labels do not come first")
        return self._data, self._data[start:after], after, stop

    def _decode(self, data: bytes, places: Places) -> WriteRequest:
        found = _Found(self._limits)
        for start, stop in places:
            try:
                _read_series(data, start, stop, self._symbols, found)
            except InputError as problem:
                raise InputError(f"time series at byte {start}: {problem}") from problem
        return _request(data, found)


class Symbols(Sequence[str]):
    """Texts of a large message as places. Each is decoded at its first use."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._starts, self._sizes = array("I"), array("I")
        self._known: dict[int, str] = {}

    def put(self, start: int, stop: int) -> None:
        """Add a text."""
        self._starts.append(start)
        self._sizes.append(stop - start)

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, number: int) -> str: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[str]: ...
    def __getitem__(self, number: int | slice) -> str | Sequence[str]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        known = self._known.get(number)
        if known is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            start = self._starts[number]
            known = self._known[number] = self._data[start : start + self._sizes[number]].decode()
        return known


def _read_series(data: bytes, at: int, stop: int, symbols: Sequence[str], found: _Found) -> None:
    number = -1
    metadata: Metadata | None = None
    regions: list[tuple[int, int]] = []
    began: list[int] = []
    histograms: list[WireHistogram] = []
    exemplars: list[Exemplar] = []
    while at < stop:
        if data[at] == _SAMPLE_KEY:
            end = _end_of_samples(data, at, stop, found)
            regions.append((at, end))
            at = end
            continue
        which, kind, start, at = next(fields(data, at, stop))
        if which == _REFS:
            if number >= 0 or kind not in (BYTES, VARINT):
                raise InputError("its label references are not one packed field")
            number = _series_number(data[start:at], symbols, found)
        elif which == _HISTOGRAM and kind == BYTES:
            began.append(read_number(data, start, at, HISTOGRAM_START))
            histograms.append(read_histogram(data, start, at))
        elif which == _EXEMPLAR and kind == BYTES:
            exemplars.append(read_exemplar(data, start, at, symbols or [""]))
        elif which == _METADATA and kind == BYTES:
            metadata = _read_metadata(data, start, at, symbols)
    if number < 0:
        raise InputError("it has no labels")
    found.regions += [(number, first, end) for first, end in regions]
    for start, histogram in zip(began, histograms, strict=True):
        found.others.histograms.add(-1 - number, start, histogram)
    for exemplar in exemplars:
        found.others.exemplars.add(-1 - number, exemplar)
    if metadata is not None and metadata != Metadata():
        found.metadata[family_of(found.labels[number][METRIC_NAME], metadata.type)] = metadata


def _end_of_samples(data: bytes, at: int, stop: int, found: _Found) -> int:
    while at < stop and data[at] == _SAMPLE_KEY:
        size, start = read_varint(data, at + 1, stop)
        at = start + size
        if at > stop:
            raise InputError("a sample ends behind its time series")
        if not _is_usual_sample(data, start, size):
            began = read_number(data, start, at, _SAMPLE_START)
            if began:
                found.starts[found.samples] = began
        found.samples += 1
    return at


def _is_usual_sample(data: bytes, at: int, size: int) -> bool:
    """Whether a sample is a value and a time of six bytes, and so has no start timestamp."""
    return (
        size == 16
        and data[at] == 0x09
        and data[at + 9] == 0x10
        and min(data[at + 10 : at + 15]) >= 0x80
    )


def _series_number(refs: bytes, symbols: Sequence[str], found: _Found) -> int:
    known = found.number_of.get(refs)
    if known is None:
        known = found.number_of[refs] = len(found.labels)
        references = _references(refs, 2 * found.limits.labels)
        labels = _labels(references, symbols)
        found.limits.check(labels)
        found.labels.append(labels)
        found.names.update(labels)
        found.limits.check_table(len(found.labels), len(found.names))
    return known


def _references(refs: bytes, most: int) -> list[int]:
    numbers: list[int] = []
    at = 0
    while at < len(refs):
        number, at = read_varint(refs, at, len(refs))
        numbers.append(number)
        if len(numbers) > most:
            raise InputError(f"it has more than {most // 2} labels")
    return numbers


def _labels(references: list[int], symbols: Sequence[str]) -> dict[str, str]:
    if len(references) % 2:
        raise InputError("a label name has no value")
    labels: dict[str, str] = {}
    for name_at, value_at in zip(references[::2], references[1::2], strict=True):
        name, value = _symbol(name_at, symbols), _symbol(value_at, symbols)
        if not name:
            raise InputError("a label has no name")
        if name in labels:
            raise InputError(f"the label {excerpt(name)} is given twice")
        labels[name] = value
    labels = {name: value for name, value in labels.items() if value}
    need_metric_name(labels)
    return labels


def _symbol(reference: int, symbols: Sequence[str]) -> str:
    if reference >= len(symbols):
        raise InputError(f"symbol {reference} is beyond the table of {len(symbols)}")
    return symbols[reference]


def _read_metadata(data: bytes, start: int, stop: int, symbols: Sequence[str]) -> Metadata:
    values = {1: 0, 3: 0, 4: 0}
    for number, wire, first, last in fields(data, start, stop):
        if number in values and wire == VARINT:
            values[number] = read_varint(data, first, last)[0]
    kind = type_name(values[1])
    if not symbols:
        return Metadata(kind)
    return Metadata(kind, _symbol(values[3], symbols), _symbol(values[4], symbols))


def _request(data: bytes, found: _Found) -> WriteRequest:
    regions = np.array(found.regions, np.int64).reshape(-1, 3)
    decoded = decode_samples(data, regions[:, 1], regions[:, 2])
    starts = np.zeros(found.samples, np.int64)
    starts[list(found.starts)] = list(found.starts.values())
    rows = np.repeat(-1 - regions[:, 0], decoded.counts)
    columns = MessageColumns.of(rows, decoded.times, decoded.values, starts, found.others)
    table = SeriesTable.from_dicts(found.labels)
    number_to_row = np.arange(len(table))
    keys = table.keys()
    if len(table) and int(keys.max()) + 1 < len(table):  # one series by several references
        _, first = np.unique(keys, return_index=True)
        table, number_to_row = table.take(first), keys
    columns.settle(number_to_row)
    return columns.request(table, found.metadata)
