"""From a message to the store."""

from __future__ import annotations

import logging

from server.platform.context import ServerContext

log = logging.getLogger("novaql.ingest")


def store_message(context: ServerContext, body: bytes) -> int:
    """Decode and append; how many samples were stored. Runs in a writer thread.

    Raises `InputError`, `LimitExceeded` or a `StoreError`; nothing of the message is stored then.
    """
    message = context.decoder.decode(body)
    if len(message.batch):
        context.store.append(message.batch)
        context.telemetry.ingested_samples.inc(len(message.batch))
    if message.metadata:
        context.store.set_metadata(message.metadata)
    if message.histograms:
        log.warning("native histograms are not kept", extra={"count": message.histograms})
    return len(message.batch)
