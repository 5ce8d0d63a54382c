"""Writes the pages of one step, with their timeline entries, events and deliveries.

The caller has locked the incident and the run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from novaql.fast_dataclass import dataclass
from novaql.server.contacts.lookup import contacts_of
from novaql.server.db.tables import Job
from novaql.server.db.tenant_limits import remaining
from novaql.server.db.unit import Unit
from novaql.server.escalation.model import Mode, PageStatus, needed_of, turns_from
from novaql.server.escalation.tables import MAIL, NONE, EscalationRun, Page
from novaql.server.escalation.targets import Problem, Reachable, resolve
from novaql.server.escalation_model.tables import EscalationPolicy
from novaql.server.incidents.model import EntryType
from novaql.server.incidents.service import flag
from novaql.server.incidents.tables import Incident
from novaql.server.incidents.timeline import append, is_full
from novaql.server.notifications.lookup import mail_channel

DELIVER = "escalation.deliver"
LIMIT = "max_pending_pages"
NO_CONTACT_METHOD = "no_contact_method"
SHOWN = 50
"""The most pages that a timeline entry or an event lists."""


@dataclass(frozen=True, slots=True)
class Method:
    """How a page reaches a target, and after which delay."""

    id: str
    type: str
    delay_s: float = 0.0


def page_step(
    unit: Unit, run: EscalationRun, incident: Incident, acknowledgers: Collection[str]
) -> bool:
    """Page the targets of the run's next step. False if no target has a receiver.

    A step at the limit of pages that wait has receivers: the next step follows after its wait, when
    there may be fewer.

    acknowledgers  users who have acknowledged already, and are not paged
    """
    step = run.policy["steps"][run.step]
    reachable, problems = _targets(unit, run, step)
    for problem in problems:
        _report(unit, run, incident, problem.type, problem.data)
    wanted = [one for one in reachable if one.id not in acknowledgers]
    pages = list(_pages(unit, run, incident, wanted))
    unit.session.add_all(pages)
    unit.session.flush()
    if pages:
        _announce(unit, run, incident, pages)
    users = sorted({page.target_id for page in pages if page.target_type == "user"})
    if step["mode"] == Mode.MULTI_ACK and users:
        paged = sorted({*users, *(one.id for one in reachable if one.id in acknowledgers)})
        run.required, run.needed = paged, needed_of(step, paged)
    return any(page.reason != NO_CONTACT_METHOD for page in pages)


def _targets(
    unit: Unit, run: EscalationRun, step: Mapping[str, Any]
) -> tuple[list[Reachable], list[Problem]]:
    """The receivers of a step, each once, and the targets without a receiver."""
    targets = step["targets"]
    if step["mode"] == Mode.ROUND_ROBIN:
        return _next_in_turn(unit, run, targets)
    found = [resolve(unit, target) for target in targets]
    reachable = {(one.type, one.id): one for one in reversed(found) if isinstance(one, Reachable)}
    in_order = [one for one in found if isinstance(one, Reachable)]
    once = [one for one in in_order if reachable[one.type, one.id] is one]
    return once, [one for one in found if isinstance(one, Problem)]


def _next_in_turn(
    unit: Unit, run: EscalationRun, targets: Sequence[Mapping[str, str]]
) -> tuple[list[Reachable], list[Problem]]:
    """The next target that has a receiver. The policy counts; without it, the cycle of the run."""
    policy = unit.find(EscalationPolicy, run.policy["id"], lock=True)
    turn = run.cycle if policy is None else int(policy.turns.get(str(run.step), 0))
    problems: list[Problem] = []
    for index in turns_from(turn % len(targets), len(targets)):
        found = resolve(unit, targets[index])
        if isinstance(found, Reachable):
            if policy is not None:
                policy.turns = {**policy.turns, str(run.step): index + 1}
            return [found], problems
        problems.append(found)
    return [], problems


def _pages(
    unit: Unit, run: EscalationRun, incident: Incident, reachable: Sequence[Reachable]
) -> Iterator[Page]:
    users = [one.id for one in reachable if one.type == "user"]
    methods: dict[str, list[Method]] = {
        user_id: [Method(c.method.id, c.method.type, c.delay_s) for c in contacts]
        for user_id, contacts in contacts_of(unit, users).items()
    }
    default = Method(NONE, NONE) if mail_channel(unit) is None else Method(MAIL, "email")
    left = remaining(unit, LIMIT, Job, Job.kind == DELIVER)
    content = _content(run, incident)
    for one in reachable:
        own = [Method(one.id, "channel")] if one.type == "channel" else methods.get(one.id)
        for method in own or [default]:
            reason = NO_CONTACT_METHOD if method.type == NONE else None
            if reason is None and left <= 0:
                reason = "limit_reached"
            page = unit.new(
                Page,
                "page",
                incident_id=incident.id,
                run_id=run.id,
                cycle=run.cycle,
                step=run.step,
                target_type=one.type,
                target_id=one.id,
                target_name=one.name,
                schedule_id=one.schedule_id,
                method_id=method.id,
                method_type=method.type,
                delay_s=method.delay_s,
                status=PageStatus.PENDING.value if reason is None else PageStatus.FAILED.value,
                reason=reason,
                deliver_at=unit.now() + timedelta(seconds=method.delay_s),
                attempts=0,
                content=content,
            )
            if reason is None:
                left -= 1
                payload = {"method_id": method.id if method.id != MAIL else one.id}
                unit.enqueue(DELIVER, key=page.id, payload=payload, run_at=page.deliver_at)
            yield page


def _content(run: EscalationRun, incident: Incident) -> dict[str, Any]:
    return {
        "title": incident.title,
        "severity": incident.severity,
        "services": [row.service for row in incident.services],
        "description": incident.description[:2000],
        "policy": run.policy["name"],
    }


def _announce(unit: Unit, run: EscalationRun, incident: Incident, pages: Sequence[Page]) -> None:
    """Write the timeline entry of a step, and publish its event."""
    shown = [
        {
            "id": page.id,
            "target": {"type": page.target_type, "id": page.target_id, "name": page.target_name},
            "schedule_id": page.schedule_id,
            "method": page.method_type,
            "status": page.status,
            "reason": page.reason,
        }
        for page in pages[:SHOWN]
    ]
    data = {**_place(run), "pages": shown, "count": len(pages)}
    if any(page.reason == NO_CONTACT_METHOD for page in pages):
        flag(unit, incident, NO_CONTACT_METHOD)
    if not is_full(unit, incident):
        append(unit, incident, EntryType.PAGED, data)
    unit.publish("incident.escalated", {"incident_id": incident.id, **data})


def _report(
    unit: Unit, run: EscalationRun, incident: Incident, type_: EntryType, data: Mapping[str, Any]
) -> None:
    """Write a timeline entry about a target without a receiver, flag the incident, and publish."""
    whole = {**_place(run), **data}
    flag(unit, incident, type_.value)
    if not is_full(unit, incident):
        append(unit, incident, type_, whole)
    unit.publish(f"incident.{type_.value}", {"incident_id": incident.id, **whole})


def _place(run: EscalationRun) -> dict[str, Any]:
    policy = {"id": run.policy["id"], "name": run.policy["name"]}
    return {"policy": policy, "cycle": run.cycle, "step": run.step}
