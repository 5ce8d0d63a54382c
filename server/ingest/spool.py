"""Store the samples of a body as a whole or not at all.

`spooled` reads a body to its end before it stores the first sample, so an error in the last line
stores nothing. It buffers the batches in memory if they are small compared to the body. Otherwise
it discards them, reads the valid body a second time, and stores each slice at once. So memory is
bounded, independently of the number of samples in a byte of the body.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import field

from novaql.fast_dataclass import dataclass
from novaql.inputs import need_calendar, overwritten
from novaql.server.ingest.metadata_limits import BodyMetadata
from novaql.server.ingest.series_count import SeriesCount
from novaql.server.pools.writers import Blocked, Steps
from novaql.server.tenants.context import ServerContext
from novaql.tsdb import AppendResult, Batch, Metadata

HELD_BYTES = 8 << 20
"""Limit of the batches that are buffered for a body: this plus its decompressed size, in bytes."""

_COMPARED = 1 << 18


@dataclass(frozen=True, slots=True)
class Incoming:
    """The content of a slice of a body.

    octets   bytes of the decompressed body in the slice
    markers  floats of the batch that are staleness markers of native histograms
    """

    batch: Batch
    metadata: Mapping[str, Metadata] = field(default_factory=dict)
    octets: int = 0
    markers: int = 0


Slices = Generator[Incoming | Blocked | None, None, None]
"""The slices of a body; None: yield to other bodies."""


@dataclass(slots=True)
class Stored:
    """Counts of a stored body.

    samples      stored floats, without `Incoming.markers`, which are histograms here
    late         samples that are older than the store accepts
    overwritten  samples that a later one replaced, among each quarter of a million samples or so
    """

    samples: int = 0
    histograms: int = 0
    exemplars: int = 0
    late: int = 0
    overwritten: int = 0

    def add(self, part: Incoming, result: AppendResult) -> None:
        batch = part.batch
        histograms = len(batch) - len(batch.values)
        late_floats = result.rejected - result.rejected_histograms
        floats = len(batch.values) - late_floats
        markers = min(part.markers, floats)  # the store does not report which floats are late
        self.samples += floats - markers
        self.histograms += histograms - result.rejected_histograms + markers
        self.exemplars += result.exemplars
        self.late += result.rejected


def spooled(
    context: ServerContext, read: Callable[[], Slices], series: SeriesCount | None = None
) -> Steps[Stored]:
    """Store the samples of a body.

    read    starts reading the body; a second call follows only if the first reading had no error
    series  counts the series, up to its limit

    Raises the errors of reading and storing. Stores nothing before the end of the body. If the
    store fails after that, it may have stored some slices; a retry of the body stores them again.
    """
    held: list[Incoming] | None = []
    metadata = BodyMetadata()
    octets, most = 0, HELD_BYTES
    tables: set[int] = set()
    with closing(read()) as parts:
        for part in parts:
            if isinstance(part, Incoming):
                need_calendar(part.batch)
                metadata.add(part.metadata)
                if series is not None:
                    series.add(part.batch)
                most += part.octets
                octets += _octets(part.batch, tables)
                if octets > most:
                    held = None
                if held is not None:
                    held.append(part)
            yield part if isinstance(part, Blocked) else None
    if metadata.of_metrics:
        # Metadata first: if this fails, no sample is stored, and the client retries.
        context.store.set_metadata(metadata.of_metrics)
    stored, some, samples = Stored(), list[Batch](), 0
    with closing(read() if held is None else (part for part in held)) as parts:
        for part in parts:
            if isinstance(part, Incoming):
                stored.add(part, append(context, part.batch))
                some.append(part.batch)
                samples += len(part.batch)
            if samples > _COMPARED and series is not None:
                stored.overwritten += overwritten(some)
            if samples > _COMPARED or series is None:
                some, samples = [], 0
            yield part if isinstance(part, Blocked) else None
    stored.overwritten += overwritten(some)
    return stored


def append(context: ServerContext, batch: Batch) -> AppendResult:
    """Store a batch, and count its samples in the server's metrics."""
    if len(batch) == 0 and batch.exemplars is None:
        return AppendResult()
    try:
        result = context.store.append(batch)
    finally:
        context.note_write()
    context.telemetry.ingested_samples.inc(len(batch) - result.rejected)
    return result


def _octets(batch: Batch, tables: set[int]) -> int:
    """The approximate memory of a batch. A table that an earlier batch uses, too, adds nothing."""
    size = 24 * len(batch.values) + (0 if batch.starts is None else batch.starts.nbytes)
    if batch.native is not None:
        size += 16 * len(batch.native.timestamps) + batch.native.histograms.nbytes
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
