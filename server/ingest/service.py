"""From a message to the store."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from novaql.errors import LimitExceeded
from novaql.inputs.write_request import WriteRequest
from server.ingest.formats import Reader, Told
from server.ingest.intake import intake_of
from server.ingest.otlp import convert
from server.ingest.otlp_messages import from_json, from_protobuf
from server.ingest.remote_write_2 import decode_request
from server.platform.bodies import unpack_gzip, unpack_snappy, unpack_zstd
from server.platform.context import ServerContext
from server.platform.errors import BodyTooLarge, InvalidRequest
from tsdb.selection import Metadata
from tsdb.tile import Batch

log = logging.getLogger("novaql.ingest")


@dataclass(frozen=True, slots=True)
class Written:
    """How much of a message was stored."""

    samples: int = 0
    histograms: int = 0
    exemplars: int = 0

    def headers(self) -> dict[str, str]:
        """What remote write 2.0 wants told, also of a message that failed."""
        start = "X-Prometheus-Remote-Write"
        return {
            f"{start}-Samples-Written": str(self.samples),
            f"{start}-Histograms-Written": str(self.histograms),
            f"{start}-Exemplars-Written": str(self.exemplars),
        }


@dataclass(frozen=True, slots=True)
class Taken:
    """What a body brought, all of which is stored."""

    samples: int
    histograms: int
    series: int


class Store(Protocol):
    """Stores a message; `zstd`: it is packed with that, else with snappy."""

    def __call__(self, context: ServerContext, body: bytes, *, zstd: bool = False) -> Written: ...


def store_message(context: ServerContext, body: bytes, *, zstd: bool = False) -> Written:
    """Decode remote write 1.0 and store it. Runs in a writer thread.

    Raises `InputError`, `BodyTooLarge` or a `StoreError`; no sample of the message is stored then.
    """
    try:
        decoder = intake_of(context).remote_write
        if zstd:
            data = unpack_zstd(body, limit=context.settings.max_unpacked_bytes)
            request = decoder.decode_message(data)
        else:
            request = decoder.decode(body)
    except LimitExceeded as problem:
        raise BodyTooLarge(str(problem)) from None
    return _store_request(context, request)


def store_message_2(context: ServerContext, body: bytes, *, zstd: bool = False) -> Written:
    """The same for remote write 2.0."""
    unpack = unpack_zstd if zstd else unpack_snappy
    data = unpack(body, limit=context.settings.max_unpacked_bytes)
    try:
        request = decode_request(data, intake_of(context).limits)
    except LimitExceeded as problem:
        raise BodyTooLarge(str(problem)) from None
    return _store_request(context, request)


def store_otlp(
    context: ServerContext, body: bytes, *, packed: bool, as_json: bool
) -> tuple[int, str]:
    """Decode an OTLP export and store it; how many points were left out, and why."""
    data = unpacked(context, body, "gzip" if packed else "")
    request = from_json(data) if as_json else from_protobuf(data)
    intake = intake_of(context)
    with intake.deltas.request() as deltas:
        try:
            converted = convert(request, deltas, intake.limits)
        except LimitExceeded as problem:
            raise BodyTooLarge(str(problem)) from None
        store_batch(context, converted.batch(), converted.metadata)
    return converted.rejected, converted.reason


def store_body(
    context: ServerContext, body: bytes, *, encoding: str, read: Reader, told: Told
) -> Taken:
    """Read a body of any format and store what it brings.

    Raises `InputError`, a `ServerError` or a `StoreError`; nothing is stored then.
    """
    data = unpacked(context, body, encoding)
    try:
        found = read(intake_of(context), data, told)
    except LimitExceeded as problem:
        raise BodyTooLarge(str(problem)) from None
    batch = found.batch
    store_batch(context, batch, found.metadata)
    native = batch.native
    used = [batch.series_index] if native is None else [batch.series_index, native.series_index]
    series = len(np.unique(np.concatenate(used)))
    return Taken(len(batch.values), len(batch) - len(batch.values), series)


def unpacked(context: ServerContext, body: bytes, encoding: str) -> bytes:
    """A body without its content encoding. Raises `BodyTooLarge`, `InvalidRequest`."""
    limit = context.settings.max_unpacked_bytes
    if encoding in ("", "identity"):
        return body
    if encoding == "gzip":
        return unpack_gzip(body, limit=limit)
    if encoding == "zstd":
        return unpack_zstd(body, limit=limit)
    raise InvalidRequest(f"there is no content encoding {encoding!r}")


def _store_request(context: ServerContext, request: WriteRequest) -> Written:
    exemplars = store_batch(context, request.batch, request.metadata)
    native = request.batch.native
    histograms = 0 if native is None else len(native.timestamps)
    return Written(len(request.batch) - histograms, histograms, exemplars)


def store_batch(context: ServerContext, batch: Batch, metadata: Mapping[str, Metadata]) -> int:
    """Metadata first: should that fail, no sample is stored, and the sender comes again.

    Returns how many exemplars were taken in.
    """
    if metadata:
        context.store.set_metadata(metadata)
    if len(batch) == 0 and batch.exemplars is None:
        return 0
    stored = context.store.append(batch)
    context.telemetry.ingested_samples.inc(len(batch))
    return stored.exemplars
