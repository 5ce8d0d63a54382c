"""admin/tsdb: deleting series, and snapshots of the store."""

from __future__ import annotations

import logging
import secrets
from datetime import UTC, datetime

import orjson
from starlette.requests import Request
from starlette.responses import Response

from server.platform.context import context_of, principal_of
from server.platform.errors import InvalidRequest, Unavailable
from server.platform.store import Store
from server.prometheus.envelope import success
from server.prometheus.parameters import bad_parameter, go_bool, read_parameters
from server.prometheus.selectors import deletion_matchers

log = logging.getLogger("novaql.server")


async def snapshot(request: Request) -> Response:
    """Keep the store as it is now, in `DATA/snapshots/NAME`: a store of its own.

    Files are linked where they can be, so it takes next to no time and room. `skip_head`: leave out
    samples that are in no block yet.
    """
    text = (await read_parameters(request)).text("skip_head")
    skip_head = go_bool(text) if text else False
    if skip_head is None:
        reason = f'strconv.ParseBool: parsing "{text}": invalid syntax'
        raise bad_parameter("skip_head", f"unable to parse boolean: {reason}")
    context = context_of(request)
    if context.store.path is None:
        raise Unavailable("admin APIs disabled: the store is in memory, there is no snapshot of it")
    tenant = principal_of(request).tenant_id
    name = await context.writers.run(
        tenant, lambda: take_snapshot(context.store, skip_head=skip_head)
    )
    return success(orjson.dumps({"name": name}))


async def delete_series(request: Request) -> Response:
    """Delete samples of a range, by default of all time, of the series that a selector finds.

    No query finds them from here on, and nothing brings them back. The room that they take is
    given back by compaction, or by `clean_tombstones`. Exemplars go with them.
    """
    parameters = await read_parameters(request)
    texts = parameters.all("match[]")
    if not texts:
        raise InvalidRequest("no match[] parameter provided")
    start_ms, end_ms = parameters.range_ms()
    try:
        sets = [deletion_matchers(text) for text in texts]
    except InvalidRequest as problem:
        raise bad_parameter("match[]", problem.message) from None
    context = context_of(request)
    if start_ms <= end_ms:
        found = await context.writers.run(
            principal_of(request).tenant_id, lambda: context.store.delete(sets, start_ms, end_ms)
        )
        context.note_write()
        log.info("deleted", extra={"series": found.series, "samples": found.samples})
    return Response(status_code=204)


async def clean_tombstones(request: Request) -> Response:
    """Take deleted samples off the disk: blocks that have any are written anew."""
    context = context_of(request)
    cleaned = await context.writers.run(
        principal_of(request).tenant_id, context.store.clean_tombstones
    )
    log.info("tombstones cleaned", extra={"blocks": cleaned})
    return Response(status_code=204)


def take_snapshot(store: Store, *, skip_head: bool) -> str:
    """Copy the store into a new directory; its name. Raises `ReadFailed` and `WriteFailed`."""
    assert store.path is not None
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(8)}"
    done = store.snapshot(store.path / "snapshots" / name, skip_head=skip_head)
    log.info("snapshot", extra={"name_of_snapshot": name, "blocks": done.blocks})
    return name
