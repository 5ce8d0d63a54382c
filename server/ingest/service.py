"""Use cases of ingestion: decode a body and store its samples."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from novaql import LimitExceeded
from novaql.server.errors import BodyTooLarge
from novaql.server.http.body_reader import unpack_snappy
from novaql.server.ingest.body import Body
from novaql.server.ingest.formats import BodyOptions, Reader
from novaql.server.ingest.intake import intake_of
from novaql.server.ingest.otlp_slices import OtlpReading
from novaql.server.ingest.partial_write import SoundSeries
from novaql.server.ingest.series_count import SeriesCount
from novaql.server.ingest.spool import Incoming, Slices, spooled
from novaql.server.ingest.write_parts import Parts, parts_1, parts_2
from novaql.server.pools.writers import Steps
from novaql.server.tenants.context import ServerContext


@dataclass(frozen=True, slots=True)
class Written:
    """Counts of stored samples. left_out: message about omitted ones; "": none"""

    samples: int = 0
    histograms: int = 0
    exemplars: int = 0
    left_out: str = ""

    def headers(self) -> dict[str, str]:
        """The headers that remote write 2.0 requires, also for a rejected message."""
        start = "X-Prometheus-Remote-Write"
        return {
            f"{start}-Samples-Written": str(self.samples),
            f"{start}-Histograms-Written": str(self.histograms),
            f"{start}-Exemplars-Written": str(self.exemplars),
        }


@dataclass(frozen=True, slots=True)
class StoredCounts:
    """Counts of a stored body. overwritten: samples that later ones of the body replaced"""

    samples: int
    histograms: int
    series: int
    overwritten: int = 0


class Store(Protocol):
    """Stores a message. zstd: the compression, instead of snappy"""

    def __call__(
        self, context: ServerContext, body: bytes, *, zstd: bool = False
    ) -> Steps[Written]: ...


def store_message(context: ServerContext, body: bytes, *, zstd: bool = False) -> Steps[Written]:
    """Decode a remote write 1.0 message and store its valid series. Runs in writer threads.

    Raises `InputError` or `BodyTooLarge`, without storing any sample, or a `StoreError`.
    """
    decoder = intake_of(context).remote_write
    limits = intake_of(context).limits
    return (
        yield from _store_parts(context, body, zstd, lambda data: parts_1(data, decoder, limits))
    )


def store_message_2(context: ServerContext, body: bytes, *, zstd: bool = False) -> Steps[Written]:
    """Decode a remote write 2.0 message and store its valid series, as `store_message` does."""
    limits = intake_of(context).limits
    return (yield from _store_parts(context, body, zstd, lambda data: parts_2(data, limits)))


def _store_parts(
    context: ServerContext, body: bytes, zstd: bool, parts: Callable[[bytes], Parts]
) -> Steps[Written]:
    limit = context.settings.max_decompressed_bytes
    data = Body(body, "zstd", limit=limit).whole() if zstd else unpack_snappy(body, limit=limit)
    sound: SoundSeries | None = None

    def read() -> Slices:
        nonlocal sound
        sound = SoundSeries()
        with closing(parts(data)) as every:
            for part in sound.of(every):
                if part is None:
                    yield None
                else:
                    yield Incoming(part.batch, part.metadata, part.octets)
            sound.need_some()

    try:
        stored = yield from spooled(context, read)
    except LimitExceeded as problem:
        raise BodyTooLarge(str(problem)) from None
    assert sound is not None
    left_out = sound.left_out()
    if stored.late:
        many = "1 sample is" if stored.late == 1 else f"{stored.late} samples are"
        of_samples = f"{many} older than this store takes"
        left_out = f"{left_out}; {of_samples}" if left_out else f"partial write: {of_samples}"
    return Written(stored.samples, stored.histograms, stored.exemplars, left_out)


def store_otlp(
    context: ServerContext, body: bytes, *, packed: bool, as_json: bool
) -> Steps[tuple[int, str]]:
    """Decode and store an OTLP export; return the number of omitted points, and the reason."""
    intake = intake_of(context)
    data = Body(
        body, "gzip" if packed else "", limit=context.settings.max_decompressed_bytes
    ).whole()
    reading = OtlpReading(data, intake.deltas, intake.limits, as_json=as_json)
    try:
        stored = yield from spooled(context, reading.slices)
        reading.commit()
    except LimitExceeded as problem:
        raise BodyTooLarge(str(problem)) from None
    finally:
        reading.leave()
    if stored.late and not reading.rejected:
        return stored.late, "older than this store takes"
    return reading.rejected + stored.late, reading.reason


def store_body(
    context: ServerContext, body: bytes, *, encoding: str, read: Reader, options: BodyOptions
) -> Steps[StoredCounts]:
    """Read a body in any format and store its samples.

    Raises `InputError` or a `ServerError`, without storing any sample, or a `StoreError`.
    """
    intake = intake_of(context)
    whole = Body(body, encoding, limit=context.settings.max_decompressed_bytes)
    series = SeriesCount(intake.limits)
    try:
        stored = yield from spooled(context, partial(read, intake, whole, options), series)
    except LimitExceeded as problem:
        raise BodyTooLarge(str(problem)) from None
    return StoredCounts(stored.samples, stored.histograms, series.total(), stored.overwritten)
