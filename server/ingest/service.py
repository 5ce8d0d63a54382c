"""From a message to the store."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from novaql.errors import InputError, LimitExceeded
from novaql.inputs.overwritten import overwritten
from novaql.inputs.write_request import WriteRequest
from server.ingest.formats import Reader, Told
from server.ingest.intake import intake_of
from server.ingest.otlp import convert
from server.ingest.otlp_messages import from_json, from_protobuf
from server.ingest.partial_write import Decode, sound_part
from server.ingest.remote_write_2 import decode_request
from server.platform.bodies import unpack_gzip, unpack_snappy, unpack_zstd
from server.platform.context import ServerContext
from server.platform.errors import BodyTooLarge, InvalidRequest
from tsdb.options import AppendResult
from tsdb.selection import Metadata
from tsdb.tile import Batch

log = logging.getLogger("novaql.ingest")
_SERIES_1, _SERIES_2 = 1, 5
"""Numbers of the field that a time series is, in a message of either version."""


@dataclass(frozen=True, slots=True)
class Written:
    """How much of a message was stored; what was left out of it and why, in words."""

    samples: int = 0
    histograms: int = 0
    exemplars: int = 0
    left_out: str = ""

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
    """What a body brought and the store took; how many of its samples others of it replaced."""

    samples: int
    histograms: int
    series: int
    overwritten: int = 0


class Store(Protocol):
    """Stores a message; `zstd`: it is packed with that, else with snappy."""

    def __call__(self, context: ServerContext, body: bytes, *, zstd: bool = False) -> Written: ...


def store_message(context: ServerContext, body: bytes, *, zstd: bool = False) -> Written:
    """Decode remote write 1.0 and store what is sound in it. Runs in a writer thread.

    Raises `InputError`, `BodyTooLarge` or a `StoreError`; no sample of the message is stored then.
    """
    decoder = intake_of(context).remote_write
    limit = context.settings.max_unpacked_bytes
    try:
        if zstd:
            request = decoder.decode_message(unpack_zstd(body, limit=limit))
        else:
            request = decoder.decode(body)
    except LimitExceeded as problem:
        raise BodyTooLarge(str(problem)) from None
    except InputError as problem:
        unpack = unpack_zstd if zstd else unpack_snappy
        data = unpack(body, limit=limit)
        return _store_part(context, data, _SERIES_1, decoder.decode_message, problem)
    return _store_request(context, request)


def store_message_2(context: ServerContext, body: bytes, *, zstd: bool = False) -> Written:
    """The same for remote write 2.0."""
    unpack = unpack_zstd if zstd else unpack_snappy
    data = unpack(body, limit=context.settings.max_unpacked_bytes)
    decode = partial(decode_request, limits=intake_of(context).limits)
    try:
        request = decode(data)
    except LimitExceeded as problem:
        raise BodyTooLarge(str(problem)) from None
    except InputError as problem:
        return _store_part(context, data, _SERIES_2, decode, problem)
    return _store_request(context, request)


def _store_part(
    context: ServerContext, data: bytes, series_field: int, decode: Decode, fault: InputError
) -> Written:
    try:
        part = sound_part(data, series_field, decode, fault)
    except LimitExceeded as problem:
        raise BodyTooLarge(str(problem)) from None
    return _store_request(context, part.request, part.left_out)


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
        stored = store_batch(context, converted.batch(), converted.metadata)
    if stored.rejected and not converted.rejected:
        return stored.rejected, "older than this store takes"
    return converted.rejected + stored.rejected, converted.reason


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
    stored = store_batch(context, batch, found.metadata)
    native = batch.native
    used = [batch.series_index] if native is None else [batch.series_index, native.series_index]
    series = len(np.unique(np.concatenate(used)))
    histograms = len(batch) - len(batch.values) - stored.rejected_histograms
    samples = len(batch) - stored.rejected - histograms
    return Taken(samples, histograms, series, overwritten([batch]))


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


def _store_request(context: ServerContext, request: WriteRequest, left_out: str = "") -> Written:
    stored = store_batch(context, request.batch, request.metadata)
    native = request.batch.native
    histograms = 0 if native is None else len(native.timestamps)
    late = stored.rejected
    if late:
        many = "1 sample is" if late == 1 else f"{late} samples are"
        of_samples = f"{many} older than this store takes"
        left_out = f"{left_out}; {of_samples}" if left_out else f"partial write: {of_samples}"
    return Written(
        samples=len(request.batch) - histograms - (late - stored.rejected_histograms),
        histograms=histograms - stored.rejected_histograms,
        exemplars=stored.exemplars,
        left_out=left_out,
    )


def store_batch(
    context: ServerContext, batch: Batch, metadata: Mapping[str, Metadata]
) -> AppendResult:
    """Metadata first: should that fail, no sample is stored, and the sender comes again."""
    if metadata:
        context.store.set_metadata(metadata)
    if len(batch) == 0 and batch.exemplars is None:
        return AppendResult()
    stored = context.store.append(batch)
    context.telemetry.ingested_samples.inc(len(batch) - stored.rejected)
    return stored
