"""admin/tsdb: delete samples, clean tombstones, and take snapshots of the store."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response

from novaql.server.errors import InvalidRequest, Unavailable
from novaql.server.http.request import context_of, principal_of, unit_for
from novaql.server.prometheus.envelope import success
from novaql.server.prometheus.parameters import bad_parameter, read_parameters
from novaql.server.prometheus.selectors import MatcherSets, deletion_matchers
from novaql.server.query.run import run_in_worker
from novaql.tsdb import DeleteResult

log = logging.getLogger("novaql.server")
DELETE, CLEAN, SNAPSHOT = "samples.delete", "samples.clean", "samples.snapshot"
"""Actions in the audit log."""

Answer = TypeVar("Answer")


async def snapshot(request: Request) -> Response:
    """Copy the current state of the store to `DATA/snapshots/NAME`: an openable store.

    The snapshot links files instead of copying them where the file system allows it, so it takes
    little time and disk space. `skip_head`: omit samples that are in no block yet.
    """
    parameters = await read_parameters(request)
    skip_head = parameters.flag("skip_head", "unable to parse boolean")
    store = context_of(request).store
    if store.path is None:
        raise Unavailable("admin APIs disabled: the store is in memory, there is no snapshot of it")
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(8)}"
    shown = {"name": name, "skip_head": skip_head}
    folder = store.path / "snapshots" / name
    done = await _recorded(
        request, SNAPSHOT, shown, lambda: store.snapshot(folder, skip_head=skip_head)
    )
    log.info("snapshot", extra={"snapshot": name, "blocks": done.blocks})
    return success(orjson.dumps({"name": name}))


async def delete_series(request: Request) -> Response:
    """Delete samples and exemplars of the series that a selector matches, in a time range; the
    default is all time.

    Queries no longer find the samples, and they cannot be restored. Compaction, or
    `clean_tombstones`, frees their disk space.
    """
    parameters = await read_parameters(request)
    texts = parameters.all("match[]")
    if not texts:
        raise InvalidRequest("no match[] parameter provided")
    start_ms, end_ms = parameters.range_ms()
    sets = await run_in_worker(request, lambda: _matcher_sets(texts))
    if start_ms <= end_ms:
        store = context_of(request).store
        shown = {
            "match": texts,
            "start": parameters.text("start") or None,
            "end": parameters.text("end") or None,
        }
        found: DeleteResult = await _recorded(
            request, DELETE, shown, lambda: store.delete(sets, start_ms, end_ms)
        )
        context_of(request).note_write()
        log.info("deleted", extra={"series": found.series, "samples": found.samples})
    return Response(status_code=204)


def _matcher_sets(texts: Sequence[str]) -> MatcherSets:
    try:
        return [deletion_matchers(text) for text in texts]
    except InvalidRequest as problem:
        raise bad_parameter("match[]", problem.message) from None


async def clean_tombstones(request: Request) -> Response:
    """Rewrite blocks with deleted samples, to free disk space."""
    cleaned = await _recorded(request, CLEAN, {}, context_of(request).store.clean_tombstones)
    log.info("tombstones cleaned", extra={"blocks": cleaned})
    return Response(status_code=204)


async def _recorded(
    request: Request, action: str, shown: Mapping[str, Any], work: Callable[[], Answer]
) -> Answer:
    """Write an audit entry, then run `work` on the tenant's samples; return its result.

    The entry is committed before the work begins, since both cannot be one transaction: so every
    change has an entry. If the work fails, a second entry records the failure.
    """
    context = context_of(request)

    def record(outcome: str) -> None:
        with unit_for(request, writes=True) as unit:
            unit.audit(action, ("samples", unit.tenant_id), after=shown, outcome=outcome)

    await context.pools.state.run(lambda: record("success"))
    try:
        return await context.pools.ingest.run(principal_of(request).tenant_id, work)
    except Exception:
        await context.pools.state.run(lambda: record("failed"))
        raise
