"""What is read from a body, slice by slice → the store, all of it or nothing.

A body is read to its end before its first sample is stored, so a fault in its last line stores
nothing. What was read is held in memory meanwhile, if that is little beside the body; otherwise it
is dropped, and the body, now known to be sound, is read a second time, and each slice is stored as
it comes. So memory is bounded however many samples a byte of the body makes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field

from novaql import LimitExceeded
from novaql.inputs import need_calendar, overwritten
from novaql.server.ingest.series_count import SeriesCount
from novaql.server.pools.writers import Blocked, Steps
from novaql.server.tenants.context import ServerContext
from novaql.tsdb import AppendResult, Batch, Metadata

HELD_BYTES = 32 << 20
"""Bytes of batches that are held for any body; as many as it has unpacked are held beside."""

_COMPARED = 1 << 18
MOST_METADATA = 1 << 16
"""Metrics that one body may have metadata of."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """What a slice of a body brings.

    octets  of the unpacked body that were read for it
    """

    batch: Batch
    metadata: Mapping[str, Metadata] = field(default_factory=dict)
    octets: int = 0


Slices = Generator[Incoming | Blocked | None, None, None]
"""Of one body; None where there is nothing yet, and work for others may be done between."""


@dataclass(slots=True)
class Stored:
    """What the store took of a body. Samples are floats; late ones are older than it takes.

    overwritten  samples that a later one of the same quarter of a million or so replaced
    """

    samples: int = 0
    histograms: int = 0
    exemplars: int = 0
    late: int = 0
    overwritten: int = 0

    def add(self, batch: Batch, result: AppendResult) -> None:
        histograms = len(batch) - len(batch.values)
        late_floats = result.rejected - result.rejected_histograms
        self.samples += len(batch.values) - late_floats
        self.histograms += histograms - result.rejected_histograms
        self.exemplars += result.exemplars
        self.late += result.rejected


def spooled(
    context: ServerContext, read: Callable[[], Slices], series: SeriesCount | None = None
) -> Steps[Stored]:
    """Store what a body brings.

    read    begins to read the body; called a second time only if the first time had no fault
    series  counts the series, up to its limit

    Raises what reading and storing raise. Nothing is stored before the body was read to its end. A
    store that fails after that may have taken some slices; it takes them again when the body is
    sent again.
    """
    held: list[Incoming] | None = []
    metadata: dict[str, Metadata] = {}
    octets, most = 0, HELD_BYTES
    tables: set[int] = set()
    with closing(read()) as parts:
        for part in parts:
            if isinstance(part, Incoming):
                need_calendar(part.batch)
                metadata.update(part.metadata)
                if len(metadata) > MOST_METADATA:
                    raise LimitExceeded(
                        f"there is metadata of more than {MOST_METADATA} metrics in one body"
                    )
                if series is not None:
                    series.add(part.batch)
                most += part.octets
                octets += _octets(part.batch, tables)
                if octets > most:
                    held = None
                if held is not None:
                    held.append(part)
            yield part if isinstance(part, Blocked) else None
    if metadata:
        # Metadata first: should that fail, no sample is stored, and the sender comes again.
        context.store.set_metadata(metadata)
    stored, some, samples = Stored(), list[Batch](), 0
    with closing(read() if held is None else _each(held)) as parts:
        for part in parts:
            if isinstance(part, Incoming):
                stored.add(part.batch, append(context, part.batch))
                some.append(part.batch)
                samples += len(part.batch)
            if samples > _COMPARED and series is not None:
                stored.overwritten += overwritten(some)
            if samples > _COMPARED or series is None:
                some, samples = [], 0
            yield part if isinstance(part, Blocked) else None
    stored.overwritten += overwritten(some)
    return stored


def _each(held: list[Incoming]) -> Slices:
    yield from held


def append(context: ServerContext, batch: Batch) -> AppendResult:
    """Store a batch, and count its samples."""
    if len(batch) == 0 and batch.exemplars is None:
        return AppendResult()
    try:
        result = context.store.append(batch)
    finally:
        context.note_write()
    context.telemetry.ingested_samples.inc(len(batch) - result.rejected)
    return result


def _octets(batch: Batch, tables: set[int]) -> int:
    """About the memory that a batch takes. A table that is met again takes none."""
    size = 24 * len(batch.values) + (0 if batch.starts is None else batch.starts.nbytes)
    if batch.native is not None:
        buckets = batch.native.histograms
        size += 16 * len(batch.native.timestamps) + sum(
            getattr(getattr(buckets, name), "nbytes", 0) for name in buckets.__slots__
        )
    if batch.exemplars is not None:
        size += 24 * len(batch.exemplars) + sum(
            column.codes.nbytes + 80 * len(column.values)
            for column in batch.exemplars.labels.columns.values()
        )
    if id(batch.series) not in tables:
        tables.add(id(batch.series))
        for column in batch.series.columns.values():
            size += column.codes.nbytes + 80 * len(column.values)
    return size
