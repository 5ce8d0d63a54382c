"""Use cases of the audit log. Nothing here changes or deletes an entry."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select

from server.audit.schema import AskExport, AuditQuery
from server.audit.tables import AuditExport
from server.audit.writing import as_csv, as_json
from server.platform.calls import Call
from server.platform.clock import to_ms
from server.platform.cursors import Key, Page
from server.platform.errors import invalid, not_found
from server.platform.ids import new_id
from server.platform.tables import AuditEntry
from server.platform.unit import Unit

KEYS = (Key(AuditEntry.at, descending=True), Key(AuditEntry.id, descending=True))
LONGEST = timedelta(days=366)
AT_ONCE = 5000
"""So many entries are written while the client waits; more are written by a job."""
VALID = timedelta(hours=1)
JOB = "audit.export"


def find(call: Call, query: AuditQuery) -> Page[AuditEntry]:
    """A page of the log, the newest first."""
    wanted = {name: getattr(query, name) for name in ("actor", "target", "action", "outcome")}
    statement = _filtered(wanted)
    if query.since is not None:
        statement = statement.where(AuditEntry.at >= query.since)
    if query.until is not None:
        statement = statement.where(AuditEntry.at < query.until)
    return call.page(statement, KEYS)


def get(unit: Unit, entry_id: str) -> AuditEntry:
    """One entry, or the 404."""
    statement = select(AuditEntry).where(AuditEntry.id == entry_id)
    found = unit.session.execute(statement).scalar_one_or_none()
    if found is None:
        raise not_found("audit_event", entry_id, unit.tenant_name)
    return found


def ask(call: Call, body: AskExport) -> AuditExport:
    """An export, ready or being written. It is an audit event itself."""
    if body.from_ >= body.to:
        raise invalid("/to", "must be later than from")
    if body.to - body.from_ > LONGEST:
        raise invalid("/to", "an export covers at most 366 days")
    now = call.now()
    export = AuditExport(
        id=new_id("exp"),
        created_at=now,
        updated_at=now,
        version=1,
        from_at=body.from_,
        to_at=body.to,
        format=body.format,
        filters=body.filters.model_dump(exclude_none=True),
        status="pending",
        expires_at=now + VALID,
        token_id=call.principal.id,
        creator_id=call.principal.user_id,
    )
    statement = _entries(export).with_only_columns(func.count())
    count = call.session.execute(statement.order_by(None)).scalar_one()
    if count <= AT_ONCE:
        write(call, export)
    else:
        call.enqueue(JOB, key=export.id)
    call.session.add(export)
    call.audit("audit.export", ("audit_export", export.id), after=snapshot(export))
    return export


def write(unit: Unit, export: AuditExport) -> None:
    """Write the file: the entries as they are in this transaction."""
    entries = unit.session.execute(_entries(export)).scalars().all()
    content = (as_csv if export.format == "csv" else as_json)(entries)
    export.content = gzip.compress(content, mtime=0)
    export.sha256 = hashlib.sha256(content).hexdigest()
    export.entries = len(entries)
    export.status = "ready"


def snapshot(export: AuditExport) -> dict[str, Any]:
    """An export as the audit log shows it."""
    return {
        "from": export.from_at.isoformat(),
        "to": export.to_at.isoformat(),
        "format": export.format,
        "filters": export.filters,
    }


def signed_part(tenant_id: str, export_id: str, expires: datetime) -> bytes:
    """What the signature of a download URL covers: nothing of it can be changed."""
    return f"GET\n{tenant_id}\n{export_id}\n{to_ms(expires)}".encode()


def _entries(export: AuditExport) -> Select[AuditEntry]:
    return (
        _filtered(export.filters)
        .where(AuditEntry.at >= export.from_at, AuditEntry.at < export.to_at)
        .order_by(AuditEntry.at, AuditEntry.id)
    )


def _filtered(wanted: Mapping[str, Any]) -> Select[AuditEntry]:
    statement = select(AuditEntry)
    columns = {
        "actor": AuditEntry.actor_id,
        "target": AuditEntry.target_id,
        "action": AuditEntry.action,
        "outcome": AuditEntry.outcome,
    }
    for name, column in columns.items():
        if wanted.get(name) is not None:
            statement = statement.where(column == wanted[name])
    return statement
