"""Writing exports that are too large for a client to wait for."""

from __future__ import annotations

from sqlalchemy import select

from server.audit.service import JOB, write
from server.audit.tables import AuditExport
from server.platform.jobs import JobKind, JobRun


def _run(job: JobRun) -> None:
    with job.finish() as unit:
        export = unit.session.execute(
            select(AuditExport).where(AuditExport.id == job.key)
        ).scalar_one_or_none()
        if export is not None and export.status == "pending":
            write(unit, export)


EXPORTS = JobKind(JOB, _run)
