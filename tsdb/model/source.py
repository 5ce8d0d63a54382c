"""The result of a selection, and the protocol through which the engine reads data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeGuard, runtime_checkable

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.batch_views import BatchViews, SeriesView
from novaql.tsdb.model.labels import Ints, SeriesTable
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.model.rollup_columns import CellColumns
from novaql.tsdb.model.samples import HistogramBatch
from novaql.tsdb.model.series_batch import SeriesBatchRef

MIN_TIME_MS, MAX_TIME_MS = -(2**62), 2**62
"""The earliest and the latest time of a selection."""


@dataclass(frozen=True, slots=True)
class HistogramBatchRef:
    """A batch of native histograms that is read when requested, as `SeriesBatchRef`."""

    load: Callable[[], HistogramBatch]
    samples: int


class CellSource(Protocol):
    """Cells of series, each wholly inside or outside every window; and samples where there are no
    cells."""

    @property
    def series(self) -> SeriesTable: ...

    @property
    def whole(self) -> bool:
        """Whether all values are provably whole numbers."""
        ...

    def portions(self) -> Sequence[tuple[int, int]]:
        """All rows of `series`, in stretches whose cells fit into memory."""
        ...

    def columns(self, first: int, end: int) -> CellColumns:
        """Cells of rows first … end - 1."""
        ...

    def as_samples(self, statistic: str) -> Selection:
        """One sample with a statistic in place of the samples of each cell: "min", "max", "first"
        or "last". Windows that contain whole cells have the same statistic of these samples."""
        ...

    def samples(self, rows: Ints) -> Selection:
        """All samples of rows, whose numbers increase; the remaining ones where only rollups are
        left."""
        ...


@dataclass(frozen=True, slots=True)
class Selection:
    """Series and their samples in a time range.

    Each row of `series` is in at most one batch, with all of its samples of the range in time order
    and no time twice, whatever parts of the store they come from. Label sets in `series` are
    distinct. A series without a sample in the range may be left out or be in no batch. Samples
    outside the range may be in a batch; `views` leaves them out.

    Native histograms are in separate batches: a row may be in a batch of each kind, and never
    has a sample in both at one time.

    range_ms first and last time of the range
    starts   whether some sample may have a start timestamp
    cells    what `Hints.windows` requests, where it is less work than the samples
    parts    in how many parts of the store the range has to be looked for, and how many there are;
             None: it has no parts
    """

    series: SeriesTable
    batches: Sequence[SeriesBatchRef]
    histograms: Sequence[HistogramBatchRef] = ()
    range_ms: tuple[int, int] = (MIN_TIME_MS, MAX_TIME_MS)
    starts: bool = True
    cells: CellSource | None = None
    parts: tuple[int, int] | None = None

    @property
    def samples(self) -> int:
        floats = sum(ref.samples for ref in self.batches)
        return floats + sum(ref.samples for ref in self.histograms)

    def views(self, *, markers: bool = True) -> Iterator[SeriesView]:
        """Read the floats of the range, one batch after the other, start timestamps among them.

        markers  staleness markers are among the samples
        """
        for ref in self.batches:
            yield from self.views_of(ref, markers=markers)

    def views_of(self, ref: SeriesBatchRef, *, markers: bool = True) -> Iterator[SeriesView]:
        """Read one batch, like `views`."""
        load = ref.started or ref.load
        yield from BatchViews(load(), *self.range_ms, markers=markers)


@dataclass(frozen=True, slots=True, eq=False)
class RangeWindows:
    """The only use of the floats of a selection: one value for each of some windows.

    ends_ms            [J] windows are (end - reach, end]
    reach_ms           how far each reaches
    names              statistics of cells that are read beside the count: `block/summarise.py`
    timed              the times of the first and the last sample of cells are read, too
    required           cells are used wherever there are any, even if they save little work
    samples_are_cheap  samples in memory cost almost nothing: cells are worth it only if the
                       samples do not fit into the caches
    """

    ends_ms: Ints
    reach_ms: int
    names: tuple[str, ...] = ()
    timed: bool = False
    required: bool = False
    samples_are_cheap: bool = False

    def edges_ms(self) -> Ints:
        """Times that separate samples: those up to an edge from those after it. Increasing."""
        return np.unique(np.concatenate([self.ends_ms - self.reach_ms, self.ends_ms]))


@dataclass(frozen=True, slots=True)
class Hints:
    """Facts with which a source can read less, and a record of unreadable places.

    labels  only these label names will be looked at (None: all of them): others may be left out,
            so that label sets are no longer distinct
    read_errors
            receives the damage that the reader skips; None: damage raises. It is complete when the
            last batch has been loaded
    windows the purpose of the floats; None: not known
    plain   the same selection as this source returned it before without `windows`; the source may
            return it again, with cells beside the samples
    """

    labels: frozenset[str] | None = None
    read_errors: ReadErrors | None = None
    windows: RangeWindows | None = None
    plain: Selection | None = None


@dataclass(frozen=True, slots=True)
class Metadata:
    """Metadata of one metric: type ("counter", "gauge", …), help text, unit."""

    type: str = "unknown"
    help: str = ""
    unit: str = ""

    @property
    def characters(self) -> int:
        """Characters of its texts."""
        return len(self.type) + len(self.help) + len(self.unit)


@runtime_checkable
class Source(Protocol):
    """A source of series with samples.

    Times are milliseconds since 1970; ranges include both ends. All methods may be called
    from several threads at once. Each call sees one consistent state of the data.
    """

    def has_histograms(self) -> bool:
        """Whether a sample may be a native histogram; True if that is undetermined."""
        ...

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, hints: Hints = ...
    ) -> Selection:
        """Return series that satisfy every matcher, with their samples in the range."""
        ...

    def series(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> SeriesTable:
        """Return label sets that satisfy any of the sets of matchers (none: all), each once,
        sorted."""
        ...

    def label_names(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> list[str]:
        """Return label names of those series, sorted."""
        ...

    def label_values(
        self, name: str, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> list[str]:
        """Return values of one label among those series, sorted; "" is never one."""
        ...

    def metadata(self) -> dict[str, Metadata]:
        """Return metadata by metric name, if the source has any."""
        ...


@runtime_checkable
class Downsampled(Source, Protocol):
    """A source that may have only rollups for some ranges of time."""

    def downsampled_range(self, start_ms: int, end_ms: int) -> tuple[int, int] | None:
        """Return, for the downsampled part of a range, the coarsest resolution and the time of its
        last sample, both in milliseconds; None if it has all samples."""
        ...


@runtime_checkable
class Bounded(Protocol):
    """A source that has its first and last time, or times between which all samples are."""

    def time_range(self) -> tuple[int, int] | None:
        """Return both in milliseconds; None if there are no samples."""
        ...


def supports_downsampling(source: Source) -> TypeGuard[Downsampled]:
    """Return `isinstance(source, Downsampled)`, computed once for each type: it is slow."""
    kind = type(source)
    found = _DOWNSAMPLED.get(kind)
    if found is None:
        found = _DOWNSAMPLED[kind] = isinstance(source, Downsampled)
    return found


def has_source_methods(data: object) -> TypeGuard[Source]:
    """Whether the class of an object has the methods of `Source`. Faster than `isinstance`, which
    also finds methods that only the object has."""
    kind = type(data)
    found = _SOURCES.get(kind)
    if found is None:
        names = [name for name in vars(Source) if name[0] != "_"]
        found = _SOURCES[kind] = all(callable(getattr(kind, name, None)) for name in names)
    return found


_DOWNSAMPLED: dict[type, bool] = {}
_SOURCES: dict[type, bool] = {}
NO_HINTS = Hints()
FIRST_SAMPLE_MS, LAST_SAMPLE_MS = -62_135_596_800_000, 253_402_300_799_999
"""Times of samples that the store accepts: years 1 to 9999, which every format can represent."""
