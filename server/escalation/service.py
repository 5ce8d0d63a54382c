"""Use cases of escalation policies, and queries of runs and pages."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from novaql.server.auth.user_access import DEACTIVATED
from novaql.server.db.rows import Row
from novaql.server.db.tables import User
from novaql.server.db.tenant_limits import check_limit
from novaql.server.db.unit import Unit
from novaql.server.errors import impossible, invalid
from novaql.server.escalation.schema import (
    EscalationPolicyOut,
    EscalationPolicyQuery,
    EscalationQuery,
    IncidentPageQuery,
    PagesQuery,
    SaveEscalationPolicy,
)
from novaql.server.escalation.tables import EscalationRun, Page
from novaql.server.escalation_model.tables import EscalationPolicy
from novaql.server.http.pagination import Key, Pager, equal_to
from novaql.server.http.pagination import Page as ListPage
from novaql.server.incidents.tables import Incident
from novaql.server.notifications.tables import Channel
from novaql.server.oncall.tables import OncallSchedule

SHORTEST, LONGEST_WAIT = timedelta(seconds=1), timedelta(days=7)
LONGEST_ACK = timedelta(days=30)
KEYS = (Key(EscalationPolicy.created_at), Key(EscalationPolicy.id))
PAGE_KEYS = (Key(Page.created_at, descending=True), Key(Page.id, descending=True))
RUN_KEYS = (Key(EscalationRun.created_at, descending=True), Key(EscalationRun.id, descending=True))
_TABLES: dict[str, type[Row]] = {"user": User, "schedule": OncallSchedule, "channel": Channel}


def find(unit: Unit, pages: Pager, query: EscalationPolicyQuery) -> ListPage[EscalationPolicy]:
    """A page of policies, oldest first."""
    statement = select(EscalationPolicy).where(*equal_to(EscalationPolicy, query, "name"))
    return pages.page(unit, statement, KEYS, query)


def save(unit: Unit, body: SaveEscalationPolicy, seen: int | None) -> tuple[EscalationPolicy, bool]:
    """Create a policy, or replace the version that the client saw. True if it is new.

    seen  the version of If-Match; it has precedence over that of the body
    """
    _check_times(body)
    known: set[tuple[str, str]] = set()
    if body.id is None:
        check_limit(unit, "max_escalation_policies", EscalationPolicy)
        row, before = unit.new(EscalationPolicy, "esc"), None
    else:
        row = unit.get(EscalationPolicy, body.id, "escalation_policy", lock=True)
        unit.expect(row, body.version if seen is None else seen)
        known = {(one["type"], one["id"]) for step in row.steps for one in step["targets"]}
        before = snapshot(row)
    _check_targets(unit, body, known)
    steps = [
        {
            "wait_s": step.wait.total_seconds(),
            "mode": step.mode,
            "acknowledgers": step.acknowledgers,
            "targets": [target.model_dump() for target in step.targets],
        }
        for step in body.steps
    ]
    if before is None or row.steps != steps:
        row.turns = {}
    row.name, row.steps, row.repeat = body.name, steps, body.repeat
    row.ack_timeout_s = _ack_timeout_s(unit, body)
    unit.session.add(row)
    unit.session.flush()
    noun = "escalation_policy"
    unit.record(row, f"{noun}.create" if before is None else f"{noun}.update", before, snapshot)
    return row, before is None


def end(unit: Unit, policy_id: str) -> None:
    """Delete a policy. Escalations that run continue with their copies."""
    row = unit.get(EscalationPolicy, policy_id, "escalation_policy", lock=True)
    unit.record(row, "escalation_policy.delete", snapshot(row))
    unit.session.delete(row)


def find_runs(unit: Unit, pages: Pager, query: EscalationQuery) -> ListPage[EscalationRun]:
    """The escalations, newest first."""
    statement = select(EscalationRun).where(*equal_to(EscalationRun, query, "state"))
    if query.incident is not None:
        statement = statement.where(EscalationRun.incident_id == query.incident)
    return pages.page(unit, statement, RUN_KEYS, query)


def pages_of(
    unit: Unit, pages: Pager, incident_id: str, query: IncidentPageQuery
) -> ListPage[Page]:
    """The pages of an incident, newest first."""
    unit.get(Incident, incident_id, "incident")
    statement = select(Page).where(Page.incident_id == incident_id)
    statement = statement.where(*equal_to(Page, query, "status"))
    return pages.page(unit, statement, PAGE_KEYS, query)


def find_pages(unit: Unit, pages: Pager, query: PagesQuery) -> ListPage[Page]:
    """The pages of all incidents, newest first."""
    statement = select(Page).where(*equal_to(Page, query, "status"))
    if query.incident is not None:
        statement = statement.where(Page.incident_id == query.incident)
    for type_, wanted in (("user", query.user), ("channel", query.channel)):
        if wanted is not None:
            statement = statement.where(Page.target_type == type_, Page.target_id == wanted)
    return pages.page(unit, statement, PAGE_KEYS, query)


def snapshot(row: EscalationPolicy) -> dict[str, Any]:
    """A policy for the audit log."""
    return EscalationPolicyOut.of(row).model_dump(mode="json")


def _check_times(body: SaveEscalationPolicy) -> None:
    for number, step in enumerate(body.steps):
        if not SHORTEST <= step.wait <= LONGEST_WAIT:
            raise invalid(f"/steps/{number}/wait", "must be from 1s to 7d")
        if step.acknowledgers is not None and step.mode != "multi_ack":
            raise invalid(f"/steps/{number}/acknowledgers", "needs the mode multi_ack")
    if body.ack_timeout is not None and not SHORTEST <= body.ack_timeout <= LONGEST_ACK:
        raise invalid("/ack_timeout", "must be from 1s to 30d")


def _ack_timeout_s(unit: Unit, body: SaveEscalationPolicy) -> float | None:
    if "ack_timeout" not in body.model_fields_set:
        return unit.settings.escalation_ack_timeout_s
    return None if body.ack_timeout is None else body.ack_timeout.total_seconds()


def _check_targets(
    unit: Unit, body: SaveEscalationPolicy, known: Collection[tuple[str, str]]
) -> None:
    """Raise `Impossible` for a target that does not exist. Known targets may stay."""
    for number, step in enumerate(body.steps):
        for place, target in enumerate(step.targets):
            if (target.type, target.id) in known:
                continue
            row = unit.find(_TABLES[target.type], target.id)
            if row is None or (isinstance(row, User) and row.status == DEACTIVATED):
                raise impossible(
                    f"/steps/{number}/targets/{place}/id",
                    f"there is no {target.type} with the id {target.id}",
                    f"unknown_{target.type}",
                )
