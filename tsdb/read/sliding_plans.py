"""Plans for ranges that move, such as those of a refreshed panel: one plan serves many ranges.

A selection of a few minutes takes most of its time to find series and their pages, not to read
samples. When a query requests a range again, a little later, its plan and its batches are therefore
made for a wider range, within which the next ranges will be. Other ranges have separate plans:
a wider plan that is used once costs more than it saves.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.parts.ranges import RangeSlice
from novaql.tsdb.read.batches import BatchPlan
from novaql.tsdb.runtime.lru_cache import ByteCache, each

MOST_SAMPLES = 1 << 22
"""Most samples of a wider range: 32 MiB, which take some hundredths of a second to read."""

MOST_TIMES = 1 << 18
"""Most timestamps of all grids of a wider range."""

WIDTHS = (4, 1)
"""How many times wider than the range, at least; the first wider range that is small enough is
used."""

_MOST_RANGES = 1024


class SlidingPlans:
    """The last range of each query. Thread-safe.

    It stores the hashes of queries, since the matchers of one may have a megabyte of text. If two
    have one hash, a wider range is planned in vain, or later.
    """

    def __init__(self) -> None:
        self._last: ByteCache[int] = ByteCache(_MOST_RANGES, each)

    def moved_on(self, query: Hashable, start_ms: int, end_ms: int) -> bool:
        """Return whether the last range of this length that `query` requested is near to this one,
        but not equal. Records this one."""
        width = end_ms - start_ms
        key = hash((query, width))
        before = self._last.get(key)
        self._last.put(key, start_ms)
        return before is not None and 0 < abs(start_ms - before) <= width


def wider_ranges(start_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
    """Ranges that contain this one, and are the same for many of its neighbours."""
    width = end_ms - start_ms + 1
    for times in WIDTHS:
        grain = 1 << (times * width - 1).bit_length()
        begin = start_ms // grain * grain
        yield begin, begin + 2 * grain - 1


@dataclass(frozen=True, slots=True, eq=False)
class SlidingPlan:
    """The facts about a wider range that a selection inside it needs.

    times     times of all samples, increasing, those of a group of series once
    samples   [times + 1] number of samples before each time
    first_ms  the first time of the group that begins last …
    last_ms   … and the last time of the group that ends first
    gap_ms    the longest time between two successive samples of a group
    """

    times: Ints
    samples: Ints
    first_ms: int
    last_ms: int
    gap_ms: int

    def has_all(self, start_ms: int, end_ms: int) -> bool:
        """Return whether every series certainly has a sample in this range."""
        return (
            self.first_ms <= end_ms
            and start_ms <= self.last_ms
            and end_ms - start_ms + 1 >= self.gap_ms
        )

    def samples_in(self, start_ms: int, end_ms: int) -> int:
        first = self.times.searchsorted(start_ms, side="left")
        last = self.times.searchsorted(end_ms, side="right")
        return int(self.samples[last] - self.samples[first])

    @property
    def nbytes(self) -> int:
        return self.times.nbytes + self.samples.nbytes


def sliding_plan(cuts: Sequence[RangeSlice], plan: BatchPlan) -> SlidingPlan | None:
    """Return the facts that selections inside the range of a plan need; None if they need separate
    plans: the range has too many samples, or some of its samples are deleted."""
    if not cuts or not all(cut.untouched for cut in cuts):
        return None
    if int(plan.widths.sum()) > MOST_SAMPLES:
        return None
    found = []
    for cut in cuts:
        group, first, counts = np.unique(
            plan.group[cut.rows], return_index=True, return_counts=True
        )
        some = cut.take(first)
        found.append((group, counts, some.lengths, some))
    if sum(int(lengths.sum()) for _, _, lengths, _ in found) > MOST_TIMES:
        return None
    times = np.concatenate([some.times() for *_, some in found])
    owner = np.concatenate([np.repeat(group, lengths) for group, _, lengths, _ in found])
    weight = np.concatenate([np.repeat(counts, lengths) for _, counts, lengths, _ in found])
    order = np.argsort(times, kind="stable")  # merges the pieces, which are sorted
    in_order = times[order]
    samples = np.append(0, np.cumsum(weight[order]))
    if len(found) > 1 or bool((owner[1:] < owner[:-1]).any()):
        by_group = np.lexsort((times, owner))
        times, owner = times[by_group], owner[by_group]
    ends = np.append(owner[1:] != owner[:-1], True)
    begins = np.append(True, ends[:-1])
    within = ~ends[:-1]
    gap = int((times[1:] - times[:-1])[within].max(initial=0))
    return SlidingPlan(in_order, samples, int(times[begins].max()), int(times[ends].min()), gap)
