"""Flushes of groups, regrouping, and deliveries as leased jobs."""

from __future__ import annotations

from novaql.server.jobs.runner import JobKind, JobRun
from novaql.server.notifications import delivery, dispatch
from novaql.server.notifications.dispatch import Suppressions


def job_kinds(suppressions: Suppressions) -> tuple[JobKind, ...]:
    """The kinds of jobs of notifications.

    suppressions  loads what mutes alerts now; silences provide it
    """

    def flush(job: JobRun) -> None:
        with job.finish() as unit:
            dispatch.flush(unit, job.key, suppressions)

    return (
        JobKind(dispatch.FLUSH, flush),
        JobKind(dispatch.REGROUP, regroup),
        JobKind(dispatch.DELIVER, delivery.deliver, lane="channel_id", waits=True),
    )


def regroup(job: JobRun) -> None:
    """Move every firing alert to its groups by the current routing, in several transactions.

    Other tenants can write between them. An interrupted job starts again from the beginning.
    """
    last: str | None = ""
    most = job.context.tuning.regrouped_at_once
    while last is not None:
        with job.note() as unit:
            last = dispatch.regroup(unit, last, most)
    with job.finish() as unit:
        dispatch.flush_empty_groups(unit)
