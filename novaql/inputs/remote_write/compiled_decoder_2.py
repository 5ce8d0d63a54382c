"""One message of remote write 2.0 by the compiled walk."""

from __future__ import annotations

import numpy as np

from novaql.inputs.compiled.text_table import Octets
from novaql.inputs.exemplar_rows import read_exemplar
from novaql.inputs.label_limits import LabelLimits
from novaql.inputs.protobuf.wire import read_number
from novaql.inputs.remote_write.histograms import HISTOGRAM_START, read_histogram
from novaql.inputs.remote_write.keyed_series import KeyedSeries
from novaql.inputs.remote_write.message_columns import Collected, MessageColumns, settle
from novaql.inputs.remote_write.metadata import family_of, type_name
from novaql.inputs.remote_write.write_request import WriteRequest
from novaql.tsdb.model.labels import METRIC_NAME, Ints, SeriesTable
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.model.source import Metadata
from novaql.tsdb.runtime.compiled import Functions

_EXEMPLAR = 4
_SMALLEST_SYMBOL, _SMALLEST_SERIES, _SMALLEST_SAMPLE, _SMALLEST_OTHER = 2, 6, 9, 16


class Decoder2:
    """Decodes one message. Adds its series to the known ones, unless the message is rejected."""

    def __init__(
        self, kernels: Functions, known: KeyedSeries, limits: LabelLimits, data: Octets
    ) -> None:
        self._kernels = kernels
        self._known = known
        self._limits = limits
        self._data = data
        self._added_series = False

    def decode(self) -> WriteRequest | None:
        """The content of the message; None if the plain decoder must read, or reject, it."""
        texts = self._known.texts
        before = texts.count, texts.used
        try:
            return self._decode()
        finally:
            # Symbols that no new series refers to, such as trace ids, may never be sent again.
            if not self._added_series:
                self._known.remove_texts(*before)

    def _decode(self) -> WriteRequest | None:
        scanned = self._scan()
        if scanned is None:
            return None
        symbols, places = scanned
        data, names, size = self._data, self._known.labels_2, len(self._data)
        samples = size // _SMALLEST_SAMPLE + 1
        rows, times, began = (np.empty(samples, np.int64) for _ in range(3))
        bits = np.empty(samples, np.uint64)
        keys = np.empty(4 * size, np.uint8)
        missing, metadata = (np.empty((len(places), width), np.int64) for width in (3, 4))
        others = np.empty((size // _SMALLEST_OTHER + 1, 4), np.int64)
        found = np.zeros(3, np.int64)
        count = self._kernels.walk_2(
            data, places, symbols, names.arrays, names.series, keys, rows, times, bits,
            began, missing, others, metadata, found,
        )  # fmt: skip
        if count < 0:
            return None
        lacking, odd, described = found.tolist()
        rows, times, began = (column[:count].copy() for column in (rows, times, began))
        values: Floats = bits[:count].copy().view(np.float64)
        collected = self._read_others(others[:odd], symbols)
        columns = MessageColumns.of(rows, times, values, began, collected)
        metadata = metadata[:described]
        if lacking:
            learned = self._learn(keys, missing[:lacking])
            if learned is None:
                return None
            columns.settle(learned)
            owners = metadata[:, 0]
            settle(owners, learned)
        table = self._known.table.table()
        return columns.request(table, self._metadata(metadata, table))

    def _scan(self) -> tuple[Ints, Ints] | None:
        """Numbers of the texts of the symbols, and the places of the series."""
        known, size = self._known, len(self._data)
        symbols = np.empty(size // _SMALLEST_SYMBOL + 1, np.int64)
        missing = np.empty((len(symbols), 2), np.int64)
        places = np.empty((size // _SMALLEST_SERIES + 1, 2), np.int64)
        found = np.zeros(2, np.int64)
        series = self._kernels.scan_2(
            self._data, known.texts.arrays, symbols, missing, places, found
        )
        if series < 0 or series > self._limits.series:
            return None
        count, lacking = found.tolist()
        symbols = symbols[:count]
        if lacking:
            added = known.add_texts(self._data, missing[:lacking])
            if added is None:
                return None
            settle(symbols, added)
        return symbols, places[:series]

    def _read_others(self, others: Ints, symbols: Ints) -> Collected:
        """Raises `InputError`."""
        found = Collected()
        if not len(others):
            return found
        strings = [self._known.strings[number] for number in symbols.tolist()]
        message = self._data.tobytes()
        for number, begin, end, row in zip(*others.T.tolist(), strict=True):
            if number == _EXEMPLAR:
                exemplar = read_exemplar(message, begin, end, strings)
                found.exemplars.add(row, exemplar)
            else:
                began = read_number(message, begin, end, HISTOGRAM_START)
                found.histograms.add(row, began, read_histogram(message, begin, end))
        return found

    def _learn(self, keys: Octets, missing: Ints) -> Ints | None:
        """[R] rows of the series whose keys are in `missing`; None if any is rejected."""
        if int(missing[:, 2].max()) > self._limits.labels:
            return None
        numbers = keys[: int(missing[-1, 1])].view("<i4").reshape(-1, 2).astype(np.int64)
        owner = np.repeat(np.arange(len(missing)), missing[:, 2])
        rows = self._known.rows_of(np.column_stack([owner, numbers]), len(missing))
        if rows is not None:
            self._added_series = True
            self._known.labels_2.add_series(keys, missing, rows)
        return rows

    def _metadata(self, found: Ints, table: SeriesTable) -> dict[str, Metadata]:
        """Family → metadata; the last of a family counts.

        found  [N, 4] row of the series, type, and the texts of help and unit
        """
        metadata: dict[str, Metadata] = {}
        if not len(found):
            return metadata
        names, strings = table.column(METRIC_NAME), self._known.strings
        found[:, 0] = names.codes[found[:, 0]]
        changes = np.append(True, (found[1:] != found[:-1]).any(axis=1))
        for name, kind, help_, unit in found[changes].tolist():
            described = Metadata(type_name(kind), strings[help_], strings[unit])
            if described != Metadata():
                metadata[family_of(names.values[name], described.type)] = described
        return metadata
