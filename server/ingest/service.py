"""From a message to the store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from novaql.errors import LimitExceeded
from novaql.inputs.write_request import WriteRequest
from server.ingest.otlp import convert
from server.ingest.otlp_messages import from_json, from_protobuf
from server.ingest.remote_write_2 import decode_request
from server.platform.bodies import unpack_gzip, unpack_snappy
from server.platform.context import ServerContext
from server.platform.errors import BodyTooLarge
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


Store = Callable[[ServerContext, bytes], Written]


def store_message(context: ServerContext, body: bytes) -> Written:
    """Decode remote write 1.0 and store it. Runs in a writer thread.

    Raises `InputError`, `BodyTooLarge` or a `StoreError`; no sample of the message is stored then.
    """
    try:
        request = context.decoder.decode(body)
    except LimitExceeded as problem:
        raise BodyTooLarge(str(problem)) from None
    return _store_request(context, request)


def store_message_2(context: ServerContext, body: bytes) -> Written:
    """The same for remote write 2.0."""
    data = unpack_snappy(body, limit=context.settings.max_write_bytes)
    return _store_request(context, decode_request(data))


def store_otlp(
    context: ServerContext, body: bytes, *, packed: bool, as_json: bool
) -> tuple[int, str]:
    """Decode an OTLP export and store it; how many points were left out, and why."""
    data = unpack_gzip(body, limit=context.settings.max_write_bytes) if packed else body
    converted = convert(from_json(data) if as_json else from_protobuf(data))
    store_batch(context, converted.batch(), converted.metadata)
    return converted.rejected, converted.reason


def _store_request(context: ServerContext, request: WriteRequest) -> Written:
    store_batch(context, request.batch, request.metadata)
    if request.exemplars:
        log.warning("exemplars are not kept", extra={"count": request.exemplars})
    native = request.batch.native
    histograms = 0 if native is None else len(native.timestamps)
    return Written(len(request.batch) - histograms, histograms)


def store_batch(context: ServerContext, batch: Batch, metadata: Mapping[str, Metadata]) -> None:
    """Metadata first: should that fail, no sample is stored, and the sender comes again."""
    if metadata:
        context.store.set_metadata(metadata)
    if len(batch):
        context.store.append(batch)
        context.telemetry.ingested_samples.inc(len(batch))
