"""What two messages of a sender have in common when only times and values differ.

A sender without much churn sends the same series in the same messages. Then nothing has to be
looked for: a message is compared with the pattern of an earlier one as a whole, and its samples
are picked up from where they were in that one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from novaql.inputs.remote_write.samples import SamplePlaces, full_samples, zero_samples
from novaql.tsdb.model.labels import Bools, Ints, SeriesTable
from novaql.tsdb.model.samples import Batch

Octets = NDArray[np.uint8]
_HEAD = 512


@dataclass(frozen=True, slots=True, eq=False)
class MessagePattern:
    """mask has 0 for bytes of values, 0x80 for bytes of times, 0xFF for all others."""

    mask: Octets
    expected: Octets
    full: Bools
    full_at: Ints
    zero_at: Ints
    table: SeriesTable
    index: Ints

    @classmethod
    def of(
        cls, data: bytes, places: SamplePlaces, table: SeriesTable, index: Ints
    ) -> MessagePattern:
        """The pattern of a message whose samples are all of the usual two kinds."""
        octets = np.frombuffer(data, np.uint8)
        full_at, zero_at = places.at[places.full], places.at[~places.full]
        mask = np.full(len(octets), 0xFF, np.uint8)
        sliding_window_view(mask, 8, writeable=True)[full_at + 3] = 0
        times = sliding_window_view(mask, 6, writeable=True)
        times[full_at + 12] = 0x80
        times[zero_at + 3] = 0x80
        return cls(mask, octets & mask, places.full, full_at, zero_at, table, index)

    def read(self, data: bytes) -> Batch | None:
        """The batch of another message of the same length, None if the pattern does not fit."""
        octets = np.frombuffer(data, np.uint8)
        for part in (slice(_HEAD), slice(_HEAD, None)):
            if not np.array_equal(octets[part] & self.mask[part], self.expected[part]):
                return None
        times = np.empty(len(self.full), np.int64)
        values = np.zeros(len(self.full), np.float64)
        _, times[self.full], values[self.full] = full_samples(octets, self.full_at)
        _, times[~self.full] = zero_samples(octets, self.zero_at)
        return Batch(self.table, self.index, times, values)
