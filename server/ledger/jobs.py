"""The job that publishes the checkpoints of a log: a file, and an event for webhooks."""

from __future__ import annotations

import base64
import logging
from datetime import timedelta

from novaql.server.db.unit import Unit
from novaql.server.jobs.runner import JobKind, JobRun
from novaql.server.ledger.checkpoints import Signed, signing
from novaql.server.ledger.service import JOB
from novaql.server.ledger.tables import LedgerLog

log = logging.getLogger(__name__)


def _run(job: JobRun) -> None:
    context = job.context
    # If the process is killed before the transaction, the next run signs the same log, or more.
    where = (context.settings, context.database, context.tenant_id, job.key)
    with signing(job.read, *where) as (_, _, signed):
        pass
    with job.finish() as unit:
        _publish(unit, job.key, signed)


def _publish(unit: Unit, key: str, signed: Signed) -> None:
    row = unit.find(LedgerLog, key, lock=True)
    if row is None:
        return
    row.checkpoint_size, row.checkpoint_at = signed.head.size, unit.now()
    row.due_at = row.fault = None
    if row.size > signed.head.size:
        row.due_at = unit.now() + timedelta(seconds=unit.settings.ledger_checkpoint_interval_s)
        unit.enqueue(JOB, key=key, run_at=row.due_at)
    unit.publish(
        "ledger.checkpoint",
        {
            "agent_id": key,
            "origin": signed.origin,
            "size": signed.head.size,
            "root": base64.b64encode(signed.head.root).decode(),
            "vkey": signed.key.text,
            "checkpoint": signed.note,
        },
    )


def _failed(unit: Unit, key: str, reason: str) -> None:
    """Report a log that cannot be signed: once until it can be signed again, even if the reason
    changes."""
    row = unit.find(LedgerLog, key, lock=True)
    if row is None or row.fault == reason:
        return
    is_known, row.fault = row.fault is not None, reason
    if is_known:
        return
    log.error("no checkpoint of a ledger", extra={"ledger": key, "reason": reason})
    unit.publish("ledger.damaged", {"agent_id": key, "reason": reason})


CHECKPOINTS = JobKind(JOB, _run, longest=timedelta(minutes=1), failed=_failed)
