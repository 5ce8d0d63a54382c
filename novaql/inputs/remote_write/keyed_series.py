"""The series of earlier messages: their labels, and the keys by which they are recognised."""

from __future__ import annotations

import numpy as np

from novaql.inputs.compiled.text_table import Octets, SeriesNames, TextTable
from novaql.inputs.label_limits import LabelLimits
from novaql.inputs.remote_write.growing_table import EMPTY, METRIC, GrowingTable
from novaql.inputs.series_use import SeriesUse
from novaql.tsdb.model.labels import METRIC_NAME, Ints
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.runtime.compiled import Functions

_MOST_CELLS = 1 << 27
_MOST_OCTETS = 256 << 20
_MOST_TEXTS = 4 << 20


class KeyedSeries:
    """The series of both versions in one table. Not thread-safe.

    table     all series
    texts     label names and values, symbols of 2.0; `strings` has them decoded
    fields    the label fields of 1.0, each the bytes of a name and a value
    labels_1  the keys of series in 1.0: the numbers of their fields, see `walk_kernels`
    labels_2  their keys in 2.0: the numbers of their texts, see `walk_kernels_2`
    """

    def __init__(self, kernels: Functions, limits: LabelLimits) -> None:
        self._limits = limits
        self.table = GrowingTable()
        self.texts = TextTable(kernels)
        self.strings: list[str] = []
        self.fields = TextTable(kernels)
        self.labels_1, self.labels_2 = SeriesNames(kernels), SeriesNames(kernels)
        self._use = SeriesUse()
        known = np.frombuffer(METRIC_NAME.encode(), np.uint8)
        self.texts.add(known, np.array([[0, 0], [0, len(known)]]))
        self.decode_new_texts()
        assert self.strings[EMPTY] == ""
        assert self.strings[METRIC] == METRIC_NAME

    def is_full(self, most_series: int) -> bool:
        """Whether the memory of the series should be released."""
        tables = self.texts, self.fields, self.labels_1, self.labels_2
        octets = sum(table.used for table in tables)
        return (
            self.table.rows > most_series
            or self.table.cells > _MOST_CELLS
            or octets > _MOST_OCTETS
            or max(self.texts.count, self.fields.count) > _MOST_TEXTS
            or self._use.mostly_stopped(self.table.rows)
        )

    def note_sent(self, batch: Batch) -> None:
        """Record that the series of a batch were sent."""
        self._use.note(batch.series_index)
        if batch.native is not None:
            self._use.note(batch.native.series_index)

    def add_texts(self, data: Octets, regions: Ints) -> Ints | None:
        """[R] numbers of the texts in some regions; None if one is not UTF-8."""
        numbers = self.texts.add(data, regions)
        return numbers if self.decode_new_texts() else None

    def decode_new_texts(self) -> bool:
        """Decode the texts that the kernels have added. Returns whether all are UTF-8."""
        try:
            for number in range(len(self.strings), self.texts.count):
                self.strings.append(self.texts.text(number).decode())
        except UnicodeDecodeError:
            return False
        return True

    def remove_texts(self, count: int, used: int) -> None:
        """Remove the texts from number `count` on."""
        self.texts.cut(count, used)
        del self.strings[count:]

    def rows_of(self, pairs: Ints, series: int) -> Ints | None:
        """[series] rows of the table, new ones for new series; None if the labels are rejected.

        pairs  [L, 3] number of the series, of the texts of a label's name and value
        """
        limits, sizes = self._limits, self.texts.sizes
        pairs[:, 1:] = np.maximum(pairs[:, 1:], EMPTY)  # an absent field
        if len(pairs) and (
            int(sizes[pairs[:, 1]].max()) > limits.name_bytes
            or int(sizes[pairs[:, 2]].max()) > limits.value_bytes
        ):
            return None
        names = len(np.unique(pairs[:, 1]))
        if names > limits.names or names * series > limits.cells:
            return None
        return self.table.rows_of(pairs, series, self.strings)
