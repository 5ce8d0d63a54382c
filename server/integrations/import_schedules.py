"""Import of schedules of another system as on-call schedules of this server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select

from novaql.fast_dataclass import dataclass
from novaql.server.auth.user_access import DEACTIVATED
from novaql.server.db.batches import batches
from novaql.server.db.tables import User
from novaql.server.db.unit import Unit
from novaql.server.errors import invalid
from novaql.server.integrations.import_reports import digest_of, reported
from novaql.server.integrations.pagerduty_schedules import Plan
from novaql.server.integrations.tables import IntegrationResource
from novaql.server.oncall.schema import SaveSchedule
from novaql.server.oncall.service import save
from novaql.server.oncall.tables import OncallSchedule
from novaql.server.wording import worded

_MOST_NAMED = 50


@dataclass(frozen=True, slots=True)
class ScheduleImport:
    """A schedule. Its members are users of this server with the addresses of the provider's users,
    which an earlier page of the sync has imported.

    create  False: only report what would be created
    """

    provider: str
    external_id: str
    plan: Plan
    create: bool

    @property
    def key(self) -> tuple[str, str]:
        return "schedule", self.external_id

    def save(self, unit: Unit, user_id: str, former: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        """Create or replace the schedule, if all its members are known and it can be expressed. One
        that a user has deleted here is created again only when the plan has changed."""
        plan, ids = self.plan, _ids_of(unit, self.provider, list(self.plan.people))
        unknown = [name for key, name in plan.people.items() if key not in ids]
        problems = list(plan.problems)
        if unknown:
            problems.append("members without a user here: " + ", ".join(unknown[:_MOST_NAMED]))
        report = {
            "schedule_id": former.get("schedule_id"),
            "digest": former.get("digest"),
            "plan": {"name": plan.name, "timezone": plan.timezone, "layers": len(plan.layers)},
            "unknown_members": unknown[:_MOST_NAMED],
            **reported([*problems, *plan.notes]),
        }
        if problems or not self.create:
            return report
        body = _body(plan, ids)
        digest = digest_of(body.model_dump(mode="json"))
        if former.get("digest") == digest:
            return report
        known = None
        if former.get("schedule_id"):
            known = unit.find(OncallSchedule, former["schedule_id"], lock=True)
        if known is not None:
            body = body.model_copy(update={"id": known.id, "version": known.version})
        row, _ = save(unit, body, None)
        return {**report, "schedule_id": row.id, "digest": digest}


def _body(plan: Plan, ids: Mapping[str, str]) -> SaveSchedule:
    layers = [
        {**layer, "members": [ids[member] for member in layer["members"]]} for layer in plan.layers
    ]
    content = {
        "name": plan.name,
        "description": plan.description,
        "timezone": plan.timezone,
        "layers": layers,
    }
    try:
        return SaveSchedule.model_validate(content)
    except ValidationError as problem:
        first = problem.errors()[0]
        pointer = "/" + "/".join(str(part) for part in first["loc"])
        raise invalid(pointer, worded(first)) from None


def _ids_of(unit: Unit, provider: str, external_ids: list[str]) -> dict[str, str]:
    """External ids of users → ids of active users with the same address."""
    table = IntegrationResource
    addresses: dict[str, str] = {}
    for part in batches(external_ids):
        statement = select(table.external_id, table.data).where(
            table.provider == provider, table.kind == "user", table.external_id.in_(part)
        )
        for key, data in unit.session.execute(statement).all():
            addresses[key] = str(data.get("email") or "").casefold()
    users: dict[str, str] = {}
    for part in batches(sorted(set(addresses.values()) - {""})):
        found = select(User.email_key, User.id).where(
            User.email_key.in_(part), User.status != DEACTIVATED
        )
        users |= {key: user_id for key, user_id in unit.session.execute(found)}  # noqa: C416 - rows
    return {key: users[address] for key, address in addresses.items() if address in users}
