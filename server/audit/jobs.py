"""The job that writes large exports."""

from __future__ import annotations

from novaql.server.audit.service import JOB, attach, file_of
from novaql.server.audit.tables import AuditExport
from novaql.server.jobs.runner import JobKind, JobRun


def _run(job: JobRun) -> None:
    with job.read() as unit:
        row = unit.find(AuditExport, job.key)
        if row is None or row.status != "pending":
            return
        file = file_of(unit, row)
    with job.finish() as unit:
        export = unit.find(AuditExport, job.key, lock=True)
        if export is not None and export.status == "pending":
            attach(export, file)


EXPORTS = JobKind(JOB, _run)
