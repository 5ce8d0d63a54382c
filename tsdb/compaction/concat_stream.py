"""A stream that concatenates segments of other streams, without reading them before it is read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.parts.sorted_run import Stream


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """[S] segments of other streams, in the order of the new stream.

    source  index of the other stream; negative: the segment is zeros
    start   position of the segment in the other stream
    length  number of values, not 0
    at      position in the new stream; each segment begins where the one before ends
    """

    source: Ints
    start: Ints
    length: Ints
    at: Ints


@dataclass(frozen=True, slots=True, eq=False)
class ConcatStream(Stream):
    """A stream over segments of others."""

    streams: Sequence[Stream | None]
    segments: Segments

    def read(self, starts: Ints, lengths: Ints) -> Ints:
        out = np.zeros(int(lengths.sum()), np.int64)
        some = self.segments
        first = np.searchsorted(some.at, starts, side="right") - 1
        count = np.searchsorted(some.at, starts + lengths) - first
        piece = np.repeat(np.arange(len(starts)), count)
        segment = flat_positions(first, count)
        begin = np.maximum(some.at[segment], starts[piece])
        end = np.minimum(some.at[segment] + some.length[segment], (starts + lengths)[piece])
        target = (np.cumsum(lengths) - lengths)[piece] + begin - starts[piece]
        origin = some.start[segment] + begin - some.at[segment]
        for number, stream in enumerate(self.streams):
            own = np.flatnonzero(some.source[segment] == number)
            if stream is None or len(own) == 0:
                continue
            size = (end - begin)[own]
            out[flat_positions(target[own], size)] = stream.ints(origin[own], size)
        return out
