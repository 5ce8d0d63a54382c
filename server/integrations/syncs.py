"""Syncs: their rows, and the storing of their pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import orjson
from sqlalchemy import func, or_, select, update

from novaql.server.clock import rfc3339
from novaql.server.db.batches import batches
from novaql.server.db.tenant_limits import remaining
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict
from novaql.server.integrations.provider import Provider, ProviderFault, Resource
from novaql.server.integrations.shown import note_fault
from novaql.server.integrations.tables import Integration, IntegrationResource, IntegrationSync
from novaql.server.integrations.web_urls import is_web_url

SYNC = "integrations.sync"
"""The kind of the job of a sync; its key is the id of the integration."""
LIMIT = "max_integration_resources"
COUNTED = (IntegrationResource.kind != "deploy", IntegrationResource.vanished_at.is_(None))
"""The resources that the limit counts; a retention bounds the others."""
_MOST_DATA = 16_384
_LONGEST_ID, _LONGEST_NAME = 255, 500
_MOST_NAMED = 200


def begin_sync(unit: Unit, row: Integration, source: str) -> IntegrationSync:
    """Add a sync and its job. Raises `Conflict`: `not_connected`, `sync_in_progress`.

    The caller has locked the row, and before that the job if there is one.
    """
    if row.status != "connected":
        raise Conflict(f"{row.provider} is not connected", code="not_connected")
    if row.sync_id is not None:
        raise Conflict(f"{row.sync_id} has not ended", code="sync_in_progress")
    sync = new_sync(unit, row, source)
    unit.enqueue(SYNC, key=row.id)
    return sync


def new_sync(unit: Unit, row: Integration, source: str) -> IntegrationSync:
    """Add the row of a sync."""
    sync = unit.new(
        IntegrationSync,
        "isy",
        provider=row.provider,
        status="queued",
        source=source,
        whole=row.cursor is None,
        cursor=row.cursor,
        pages=0,
        tries=0,
        counts={},
    )
    unit.session.add(sync)
    row.sync_id = sync.id
    unit.session.flush()
    return sync


def cancel_sync(unit: Unit, row: Integration) -> None:
    """End the sync of a connection. The caller has deleted its job."""
    sync = None if row.sync_id is None else unit.find(IntegrationSync, row.sync_id, lock=True)
    row.sync_id = None
    if sync is not None:
        sync.status, sync.ended_at = "cancelled", unit.now()
        unit.touch(sync)


def store(
    unit: Unit,
    provider: str,
    resources: Sequence[Resource],
    sync_id: str | None,
    counts: dict[str, Any],
) -> list[IntegrationResource]:
    """Insert or update resources, and add to the counts. Return those that are new or changed."""
    left = remaining(unit, LIMIT, IntegrationResource, *COUNTED)
    unique = {(one.kind, short_id(one.external_id)): one for one in resources}
    known = _known(unit, provider, unique)
    changed, same = [], []
    for (kind, external_id), one in sorted(unique.items()):
        count = dict(counts.get(kind, {}))
        content = _content(one)
        row = known.get((kind, external_id))
        counted = kind != "deploy" and (row is None or row.vanished_at is not None)
        if counted and left <= 0:
            what = "skipped"
        elif row is None:
            what, left = "added", left - counted
            row = unit.new(
                IntegrationResource,
                "res",
                provider=provider,
                kind=kind,
                external_id=external_id,
                sync_id=sync_id,
                **content,
            )
            unit.session.add(row)
            changed.append(row)
        elif _is_older(one, row) or (row.digest == content["digest"] and row.vanished_at is None):
            what = "unchanged"
            same.append(row.id)
        else:
            what, left = "changed", left - counted
            for name, value in content.items():
                setattr(row, name, value)
            row.sync_id, row.vanished_at = sync_id or row.sync_id, None
            unit.touch(row)
            changed.append(row)
        count[what] = count.get(what, 0) + 1
        counts[kind] = count
    if sync_id is not None:
        for part in batches(same):
            unit.session.execute(
                update(IntegrationResource)
                .where(IntegrationResource.id.in_(part))
                .values(sync_id=sync_id)
            )
    unit.session.flush()
    _publish(unit, provider, changed)
    return changed


def vanish(unit: Unit, provider: Provider, sync: IntegrationSync) -> None:
    """Mark the resources that a whole sync has not listed."""
    table = IntegrationResource
    began = sync.began_at or sync.created_at
    gone = (
        table.provider == provider.name,
        table.kind.in_(provider.complete),
        or_(table.sync_id.is_(None), table.sync_id != sync.id),
        table.vanished_at.is_(None),
        table.created_at <= began,
    )
    if type(provider).vanished is not Provider.vanished:
        for row in unit.session.execute(select(table).where(*gone)).scalars().all():
            imported = row.data.get("imported") or {}
            left = provider.vanished(unit, row.external_id, imported)
            if left != imported:
                row.data = {**row.data, "imported": dict(left)}
    counts = dict(sync.counts)
    found = select(table.kind, func.count()).where(*gone).group_by(table.kind)
    for kind, number in unit.session.execute(found).all():
        counts[kind] = {**counts.get(kind, {}), "vanished": number}
    now = unit.now()
    marked = update(table).where(*gone).values(vanished_at=now, updated_at=now)
    unit.session.execute(marked.execution_options(synchronize_session=False))
    sync.counts = counts


def end_sync(
    unit: Unit, row: Integration, sync: IntegrationSync, fault: ProviderFault | None
) -> None:
    """End a sync that has read its last page, or failed. The caller has locked the rows."""
    sync.ended_at, row.sync_id = unit.now(), None
    sync.status = "succeeded" if fault is None else "failed"
    note_fault(unit, row, fault)
    if fault is None:
        row.synced_at = sync.began_at
    else:
        sync.fault = {"reason_code": fault.reason.value, "detail": fault.detail}
    unit.touch(sync)
    unit.touch(row)
    data = {
        "provider": row.provider,
        "sync_id": sync.id,
        "counts": sync.counts,
        "pages": sync.pages,
        "error": sync.fault,
    }
    unit.publish(f"integration.sync_{sync.status}", data)


def next_sync(unit: Unit) -> datetime | None:
    """The time of the next scheduled sync; None: only on request."""
    seconds = unit.settings.integration_sync_interval_s
    return unit.now() + timedelta(seconds=seconds) if seconds else None


def _known(
    unit: Unit, provider: str, wanted: Mapping[tuple[str, str], Resource]
) -> dict[tuple[str, str], IntegrationResource]:
    table = IntegrationResource
    found: dict[tuple[str, str], IntegrationResource] = {}
    for part in batches(sorted({external_id for _, external_id in wanted})):
        statement = select(table).where(table.provider == provider, table.external_id.in_(part))
        rows = unit.session.execute(statement.order_by(table.id).with_for_update()).scalars()
        found |= {(row.kind, row.external_id): row for row in rows}
    return found


def short_id(external_id: str) -> str:
    """An id that fits into its column: a long one ends with its digest."""
    if len(external_id) <= _LONGEST_ID:
        return external_id
    return f"{external_id[:180]}~{sha256(external_id.encode()).hexdigest()}"


def _is_older(one: Resource, row: IntegrationResource) -> bool:
    """Whether a row has a later state of a resource: messages of hooks arrive in any order."""
    return one.revision is not None and one.revision < str(row.data.get("revision", ""))


def _content(one: Resource) -> dict[str, Any]:
    data = dict(one.data)
    if len(orjson.dumps(data, default=str)) > _MOST_DATA:
        data = {"truncated": True, **{k: v for k, v in data.items() if k == "imported"}}
    if one.revision is not None:
        data["revision"] = one.revision[:100]
    content: dict[str, Any] = {
        "name": (one.name or one.external_id)[:_LONGEST_NAME],
        "service": None if one.service is None else one.service[:63],
        "url": one.url[:2048] if one.url and is_web_url(one.url) else None,
        "at": one.at,
        "data": data,
    }
    text = orjson.dumps(content, default=str, option=orjson.OPT_SORT_KEYS)
    return {**content, "digest": sha256(text).hexdigest()}


def _publish(unit: Unit, provider: str, rows: Sequence[IntegrationResource]) -> None:
    """One event for each kind: consumers read the rows by their ids."""
    for kind in sorted({row.kind for row in rows}):
        some = [row for row in rows if row.kind == kind][:_MOST_NAMED]
        data = {
            "provider": provider,
            "kind": kind,
            "resources": [
                {
                    "id": row.id,
                    "external_id": row.external_id,
                    "name": row.name,
                    "service": row.service,
                    "at": None if row.at is None else rfc3339(row.at),
                }
                for row in some
            ],
        }
        unit.publish("integration.resources_changed", data)
