"""Use cases of the audit log. None of them changes or deletes an entry."""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select

from novaql.fast_dataclass import dataclass
from novaql.server.audit.schema import AuditQuery, CreateExport
from novaql.server.audit.tables import AuditExport
from novaql.server.audit.writing import as_csv, as_json
from novaql.server.auth.roles import Principal
from novaql.server.clock import to_ms
from novaql.server.db.tables import AuditEntry
from novaql.server.db.tenant_limits import check_limit
from novaql.server.db.unit import Unit
from novaql.server.errors import invalid, not_found
from novaql.server.http.pagination import Key, Page, Pager
from novaql.server.http.preparing import Preparation

KEYS = (Key(AuditEntry.at, descending=True), Key(AuditEntry.id, descending=True))
_OLDEST_FIRST = (AuditEntry.at, AuditEntry.id)
_FILTERS = {
    "actor": AuditEntry.actor_id,
    "target": AuditEntry.target_id,
    "action": AuditEntry.action,
    "outcome": AuditEntry.outcome,
}
LONGEST = timedelta(days=366)
VALID = timedelta(hours=1)
JOB = "audit.export"


def find(unit: Unit, pages: Pager, query: AuditQuery) -> Page[AuditEntry]:
    """A page of the audit log, newest entries first."""
    statement = _entries(query.model_dump(), query.since, query.until)
    return pages.page(unit, statement, KEYS, query)


def get(unit: Unit, entry_id: str) -> AuditEntry:
    """Load an entry. Raises `NotFound`."""
    statement = select(AuditEntry).where(AuditEntry.id == entry_id)
    found = unit.session.execute(statement).scalar_one_or_none()
    if found is None:
        raise not_found("audit_event", entry_id, unit.tenant_name)
    return found


@dataclass(frozen=True, slots=True)
class File:
    """The file of an export, compressed with gzip. sha256: digest of the decompressed file"""

    content: bytes
    sha256: str
    entries: int


def prepare(preparation: Preparation) -> File | None:
    """Write the file of a small export within the request; None: the export is too large."""
    body: CreateExport = preparation.body
    if body.from_ >= body.to:
        raise invalid("/to", "must be later than from")
    if body.to - body.from_ > LONGEST:
        raise invalid("/to", "an export covers at most 366 days")
    wanted = _entries(body.filters.model_dump(), body.from_, body.to).order_by(*_OLDEST_FIRST)
    with preparation.read() as unit:
        counted = wanted.with_only_columns(func.count()).order_by(None)
        if unit.session.execute(counted).scalar_one() > preparation.context.tuning.export_at_once:
            return None
        return _file(unit, wanted, body.format, preparation.checkpoint)


def create(unit: Unit, body: CreateExport, file: File | None, caller: Principal) -> AuditExport:
    """Create an export: ready with a file; without one, a job writes it. The export is audited."""
    now = unit.now()
    check_limit(unit, "max_audit_exports", AuditExport, AuditExport.expires_at > now)
    export = unit.new(
        AuditExport,
        "exp",
        from_at=body.from_,
        to_at=body.to,
        format=body.format,
        filters=body.filters.model_dump(exclude_none=True),
        status="pending",
        entries=0,
        expires_at=now + VALID,
        token_id=caller.id,
        creator_id=caller.user_id,
    )
    if file is not None:
        attach(export, file)
    else:
        unit.enqueue(JOB, key=export.id)
    unit.session.add(export)
    unit.audit("audit.export", ("audit_export", export.id), after=snapshot(export))
    return export


def file_of(unit: Unit, export: AuditExport) -> File:
    """Write the file of an export from the entries of this transaction. This should be a read
    transaction, since its duration grows with the number of entries."""
    wanted = _entries(export.filters, export.from_at, export.to_at).order_by(*_OLDEST_FIRST)
    return _file(unit, wanted, export.format, lambda: None)


def attach(export: AuditExport, file: File) -> None:
    """Store the file of an export, and set its status to ready."""
    export.content, export.sha256, export.entries = file.content, file.sha256, file.entries
    export.status = "ready"


def _file(
    unit: Unit, wanted: Select[AuditEntry], form: str, checkpoint: Callable[[], None]
) -> File:
    count, digest, out = 0, hashlib.sha256(), io.BytesIO()

    def counted() -> Iterator[AuditEntry]:
        nonlocal count
        for entry in unit.session.execute(wanted.execution_options(yield_per=500)).scalars():
            count += 1
            if not count % 100:
                checkpoint()
            yield entry

    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as packed:
        for piece in (as_csv if form == "csv" else as_json)(counted()):
            digest.update(piece)
            packed.write(piece)
    return File(out.getvalue(), digest.hexdigest(), count)


def snapshot(export: AuditExport) -> dict[str, Any]:
    """An export for the audit log."""
    return {
        "from": export.from_at.isoformat(),
        "to": export.to_at.isoformat(),
        "format": export.format,
        "filters": export.filters,
    }


def signed_part(tenant_id: str, export_id: str, expires: datetime) -> bytes:
    """The text that the signature of a download URL covers: all parts that identify the file."""
    return f"GET\n{tenant_id}\n{export_id}\n{to_ms(expires)}".encode()


def _entries(
    filters: Mapping[str, Any], begin: datetime | None, end: datetime | None
) -> Select[AuditEntry]:
    found = select(AuditEntry)
    for name, column in _FILTERS.items():
        if filters.get(name) is not None:
            found = found.where(column == filters[name])
    if begin is not None:
        found = found.where(AuditEntry.at >= begin)
    return found if end is None else found.where(AuditEntry.at < end)
