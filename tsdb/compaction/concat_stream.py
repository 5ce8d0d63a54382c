"""A stream that concatenates segments of other streams, without reading them before it is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.parts.sorted_run import CopyPlan, Stream, copy_in_one_task

Read = Callable[[Stream, Ints, Ints], NDArray[np.generic]]


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

    @classmethod
    def end_to_end(cls, source: Ints, start: Ints, length: Ints) -> Segments:
        return cls(source, start, length, np.cumsum(length) - length)


@dataclass(frozen=True, slots=True, eq=False)
class ConcatStream:
    """A `Stream` over segments of others."""

    streams: Sequence[Stream | None]
    segments: Segments

    def ints(self, starts: Ints, lengths: Ints) -> Ints:
        out = np.zeros(int(lengths.sum()), np.int64)
        self._read(out, starts, lengths, lambda stream, at, size: stream.ints(at, size))
        return out

    def floats(self, starts: Ints, lengths: Ints) -> Floats:
        out = np.zeros(int(lengths.sum()))
        self._read(out, starts, lengths, lambda stream, at, size: stream.floats(at, size))
        return out

    def fill(self, out: Floats, starts: Ints) -> None:
        out[:] = self.floats(starts, np.full(len(out), out.shape[1])).reshape(out.shape)

    def plan_copy(
        self,
        out: Ints | Floats,
        places: Ints,
        starts: Ints,
        lengths: Ints,
        *,
        cache_pages: bool = True,  # noqa: ARG002
        notes: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> CopyPlan:
        return copy_in_one_task(self, out, places, starts, lengths)

    def readable_mask(self, places: Ints, read_errors: ReadErrors) -> Bools:  # noqa: ARG002 - what is damaged raises
        return np.ones(len(places), np.bool_)

    def _read(self, out: NDArray[np.generic], starts: Ints, lengths: Ints, read: Read) -> None:
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
            out[flat_positions(target[own], size)] = read(stream, origin[own], size)
