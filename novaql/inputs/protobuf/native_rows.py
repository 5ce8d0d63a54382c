"""Native histograms that are read one by one, with buckets in spans → columns."""

from __future__ import annotations

from dataclasses import field
from itertools import accumulate

from novaql.fast_dataclass import dataclass
from novaql.model.histogram_rows import HistogramRows
from novaql.tsdb.model.histograms import CUSTOM_SCHEMA, MAX_SCHEMA, MIN_SCHEMA, ResetHint

_FINEST_SCHEMA = 52
_INDEX_LIMIT = 2**31 - 1


class HistogramProblem(ValueError):
    """The histogram contradicts itself, or cannot be stored."""


@dataclass(slots=True)
class SpannedBuckets:
    """One side of a histogram: runs of consecutive buckets.

    offsets  of each run: distance from the end of the one before; of the first, a bucket index
    lengths  of each run
    deltas   populations, each as the difference from the one before
    counts   populations; a message has one of the two
    """

    offsets: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    deltas: list[int] = field(default_factory=list)
    counts: list[float] = field(default_factory=list)

    def populations(self, *, whole: bool) -> list[float]:
        """The population of each bucket. Raises `HistogramProblem`."""
        found: list[float] = [*accumulate(self.deltas)] if whole else self.counts
        if sum(self.lengths) != len(found):
            raise HistogramProblem(
                f"its spans have {sum(self.lengths)} buckets, but there are {len(found)} counts"
            )
        if found and min(found) < 0:
            raise HistogramProblem(f"a bucket has the count {min(found):g}")
        if any(offset < 0 for offset in self.offsets[1:]):
            raise HistogramProblem("a span begins before the end of the one before it")
        return found

    def indices(self) -> list[int]:
        """The index of each bucket. Raises `HistogramProblem`."""
        out: list[int] = []
        at = 0
        for offset, length in zip(self.offsets, self.lengths, strict=True):
            at += offset
            out.extend(range(at, at + length))
            at += length
        if out and not -_INDEX_LIMIT <= out[0] <= out[-1] <= _INDEX_LIMIT:
            raise HistogramProblem("a bucket number is out of range")
        return out


@dataclass(slots=True)
class NativeRow:
    """One histogram. `whole`: counts are integers and must add up."""

    schema: int
    count: float
    sum: float
    zero_count: float
    zero_threshold: float
    positive: SpannedBuckets
    negative: SpannedBuckets
    whole: bool
    hint: ResetHint = ResetHint.UNKNOWN


class NativeRows(HistogramRows):
    """Collects histograms as columns. Finer schemas are reduced to `MAX_SCHEMA`."""

    def add_row(self, row: NativeRow) -> None:
        """Add one. Raises `HistogramProblem`, after which it is not added."""
        schema = row.schema
        if schema == CUSTOM_SCHEMA:
            raise HistogramProblem("schema -53 needs bounds, which this format does not carry")
        if not MIN_SCHEMA <= schema <= _FINEST_SCHEMA:
            raise HistogramProblem(f"there is no schema {schema}")
        positive = row.positive.populations(whole=row.whole)
        negative = row.negative.populations(whole=row.whole)
        above, below = row.positive.indices(), row.negative.indices()
        if row.whole:
            seen = sum(positive) + sum(negative) + row.zero_count
            # Observations of NaN are counted, but in no bucket.
            if seen > row.count or (seen < row.count and row.sum == row.sum):
                raise HistogramProblem(
                    f"its buckets hold {seen:.17g} observations, its count is {row.count:.17g}"
                )
        if schema > MAX_SCHEMA:
            finer = schema - MAX_SCHEMA
            above = [((index - 1) >> finer) + 1 for index in above]
            below = [((index - 1) >> finer) + 1 for index in below]
            schema = MAX_SCHEMA
        self.add(
            schema,
            row.hint,
            row.count,
            row.sum,
            row.zero_count,
            row.zero_threshold,
            (above, positive),
            (below, negative),
        )
