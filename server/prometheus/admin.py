"""admin/tsdb: deleting series, and snapshots of the store."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import Response

from server.platform.context import context_of
from server.platform.errors import InvalidRequest, Unavailable
from server.platform.store import Store
from server.prometheus.envelope import success
from server.prometheus.parameters import bad_parameter, go_bool, read_parameters
from server.prometheus.selectors import deletion_matchers
from tsdb import manifest as manifests
from tsdb.errors import ReadFailed
from tsdb.files import BLOCKS, LOG
from tsdb.fsio import RealDisk

log = logging.getLogger("novaql.server")


async def snapshot(request: Request) -> Response:
    """Keep the store as it is now, in `DATA/snapshots/NAME`: a store of its own.

    Blocks never change, so they are linked, not copied. `skip_head`: leave out samples that are
    in memory only; otherwise they are flushed first.
    """
    text = (await read_parameters(request)).text("skip_head")
    skip_head = go_bool(text) if text else False
    if skip_head is None:
        reason = f'strconv.ParseBool: parsing "{text}": invalid syntax'
        raise bad_parameter("skip_head", f"unable to parse boolean: {reason}")
    context = context_of(request)
    if context.store.path is None:
        raise Unavailable("admin APIs disabled: the store is in memory, there is no snapshot of it")
    name = await context.writers.run(lambda: take_snapshot(context.store, skip_head=skip_head))
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
        found = await context.writers.run(lambda: context.store.delete(sets, start_ms, end_ms))
        log.info("deleted", extra={"series": found.series, "samples": found.samples})
    return Response(status_code=204)


async def clean_tombstones(request: Request) -> Response:
    """Take deleted samples off the disk: blocks that have any are written anew."""
    context = context_of(request)
    cleaned = await context.writers.run(context.store.clean_tombstones)
    log.info("tombstones cleaned", extra={"blocks": cleaned})
    return Response(status_code=204)


def take_snapshot(store: Store, *, skip_head: bool) -> str:
    """Flush, and link the blocks into a new directory; its name.

    Raises what flushing raises, and `ReadFailed` for a directory that cannot be made.
    """
    path = store.path
    assert path is not None
    if not skip_head:
        store.flush()
    manifest = manifests.read(RealDisk(), path)
    assert manifest is not None, "an open store has a manifest"
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(8)}"
    folder = path / "snapshots" / name
    try:
        (folder / BLOCKS).mkdir(parents=True)
        (folder / LOG).mkdir()
        for entry in manifest.blocks:
            _link(path / BLOCKS / entry.name, folder / BLOCKS / entry.name)
        manifests.write(RealDisk(), folder, replace(manifest, metadata=store.metadata()))
    except OSError as problem:
        shutil.rmtree(folder, ignore_errors=True)
        raise ReadFailed(f"create snapshot: {problem}") from problem
    log.info("snapshot", extra={"name_of_snapshot": name, "blocks": len(manifest.blocks)})
    return name


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
