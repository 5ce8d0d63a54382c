"""The types of events, and the filters of subscriptions."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from novaql.server.jobs.outbox import matches

EVENTS = (
    "incident.created",
    "incident.acknowledged",
    "incident.resolved",
    "incident.acknowledger_added",
    "incident.ack_expired",
    "incident.escalated",
    "incident.schedule_gap",
    "incident.page_skipped",
    "incident.not_escalated",
    "incident.escalation_exhausted",
    "incident.comment",
    "incident.alerts_added",
    "incident.not_opened",
    "alert.pending",
    "alert.firing",
    "alert.resolved",
    "alert.silenced",
    "alert.unsilenced",
    "alert.silence_created",
    "alert.silence_lifted",
    "alert.many",
    "alert.incident_firing",
    "alert.incident_over",
    "alert.notification_failed",
    "agent.action.queued",
    "agent.action.revised",
    "agent.action.approved",
    "agent.action.rejected",
    "agent.action.executed",
    "agent.action.failed",
    "agent.action.abandoned",
    "agent.action.expired",
    "agent.action.cancelled",
    "agent.registered",
    "agent.updated",
    "agent.stopped",
    "agent.resumed",
    "runbook.created",
    "runbook.updated",
    "runbook.deleted",
    "runbook.stopped",
    "runbook.started",
    "runbook.run.requested",
    "runbook.run.queued",
    "runbook.run.started",
    "runbook.run.waiting",
    "runbook.run.step",
    "runbook.run.succeeded",
    "runbook.run.failed",
    "runbook.run.timed_out",
    "runbook.run.cancelled",
    "runbook.run.abandoned",
    "runbook.run.rejected",
    "runbook.run.expired",
    "ledger.checkpoint",
    "ledger.damaged",
    "synthetic.created",
    "synthetic.deleted",
    "synthetic.failed",
    "synthetic.recovered",
    "slo.burning",
    "slo.recovered",
    "slo.saved",
    "slo.archived",
    "integration.connected",
    "integration.connect_failed",
    "integration.disconnected",
    "integration.reconnect_needed",
    "integration.resources_changed",
    "integration.sync_failed",
    "integration.sync_succeeded",
    "oncall.member_left",
    "page.sent",
    "page.failed",
    "user.deactivated",
    "webhook.disabled",
    "webhook.test",
)


class UnknownEvent(ValueError):
    """A filter that matches no type of event."""


def checked_filters(filters: Iterable[str], known: Collection[str] = EVENTS) -> tuple[str, ...]:
    """Sort and deduplicate filters: "*", "incident.*" or a whole type. Raises `UnknownEvent`.

    known  the existing types of events
    """
    found = sorted(set(filters))
    if not found:
        raise UnknownEvent("subscribe to at least one event, or to *")
    for pattern in found:
        if not any(matches(pattern, event) for event in known):
            families = sorted({f"{event.partition('.')[0]}.*" for event in known})
            raise UnknownEvent(f"{pattern!r} matches no event; there are {', '.join(families)}")
    return tuple(found)


def wanted(filters: Iterable[str], event: str) -> bool:
    """Whether any filter matches the event. Test messages bypass the filters."""
    return any(matches(pattern, event) for pattern in filters)
