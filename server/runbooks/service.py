"""Use cases of runbooks: save, delete, and the stop switch. Runs are in `starting.py`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import select

from novaql.server.auth.roles import Role
from novaql.server.catalog.lookup import check_service
from novaql.server.db.engine import flushed_or
from novaql.server.db.tables import User
from novaql.server.db.tenant_limits import check_limit
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, impossible, inside
from novaql.server.http.pagination import Key, Page, Pager, equal_to
from novaql.server.http.shapes import duration_text
from novaql.server.notifications.lookup import check_channels
from novaql.server.runbooks.model import ACTIVE
from novaql.server.runbooks.schema import (
    ApprovalPolicyBody,
    GuardrailsBody,
    RunbookOut,
    RunbookQuery,
    SaveRunbook,
    SwitchOut,
)
from novaql.server.runbooks.tables import Runbook, RunbookRun, RunbookSwitch

KEYS = (Key(Runbook.created_at), Key(Runbook.id))


def find(unit: Unit, pages: Pager, query: RunbookQuery) -> Page[Runbook]:
    """A page of runbooks, oldest first."""
    return pages.page(
        unit, select(Runbook).where(*equal_to(Runbook, query, "service")), KEYS, query
    )


def save(unit: Unit, body: SaveRunbook, seen: int | None) -> tuple[Runbook, bool]:
    """Create a runbook, or replace the version that the client saw. True if it is new. The caller
    has checked the body (`checks.py`).

    seen  the version of If-Match; it has precedence over that of the body
    """
    if body.id is None:
        check_limit(unit, "max_runbooks", Runbook)
        row, before = unit.new(Runbook, "rb", created_by=unit.actor.id, sealed=""), None
    else:
        row = unit.get(Runbook, body.id, "runbook", lock=True)
        unit.expect(row, body.version if seen is None else seen)
        before = snapshot(row)
    if body.service is not None:
        check_service(unit, body.service, "/service")
    _check_names(unit, body)
    row.name, row.description, row.service = body.name, body.description, body.service
    row.steps = [step.model_dump(mode="json", by_alias=True) for step in body.steps]
    row.guardrails = _guardrails(unit, body.guardrails)
    row.approval_policy = _policy(unit, body.approval_policy)
    _set_parameters(unit, row, body)
    taken = Conflict(f"a runbook is named {body.name} already", code="name_taken")
    with flushed_or(unit.session, taken):
        unit.session.add(row)
    if before is None:
        unit.record(row, "runbook.create", None, snapshot, event="runbook.created")
    else:
        unit.record(row, "runbook.update", before, snapshot, event="runbook.updated")
    return row, before is None


def remove(unit: Unit, runbook_id: str) -> None:
    """Delete a runbook. Raises `Conflict` `runbook_in_use` while a run of it has not ended."""
    row = unit.get(Runbook, runbook_id, "runbook", lock=True)
    active = select(RunbookRun.id).where(
        RunbookRun.runbook_id == row.id, RunbookRun.status.in_(ACTIVE)
    )
    if unit.session.execute(active.limit(1)).scalar_one_or_none() is not None:
        raise Conflict("a run of it has not ended", code="runbook_in_use")
    before = snapshot(row)
    unit.session.delete(row)
    unit.record(row, "runbook.delete", before, event="runbook.deleted")


def snapshot(row: Runbook) -> dict[str, Any]:
    """A runbook as the audit log and events contain it, without the values of secrets."""
    return RunbookOut.model_validate(row).model_dump(mode="json")


def secrets_of(unit: Unit, row: Runbook) -> dict[str, str]:
    """Return the default values of secret parameters. Raises `CannotUnseal`."""
    if not row.sealed:
        return {}
    found: dict[str, str] = orjson.loads(unit.unseal(row.sealed, f"runbook:{row.id}:secrets"))
    return found


def set_switch(unit: Unit, *, stopped: bool, reason: str | None) -> RunbookSwitch:
    """Stop all runs of the tenant, or let them begin again."""
    row = _switch(unit, lock=True)
    if row is not None and row.stopped == stopped:
        if stopped:
            raise Conflict("runbooks are stopped already", code="runbooks_stopped")
        raise Conflict("runbooks are not stopped", code="runbooks_not_stopped")
    before = None if row is None else _switch_shown(row)
    if row is None:
        if not stopped:
            raise Conflict("runbooks are not stopped", code="runbooks_not_stopped")
        row = unit.new(RunbookSwitch, "rbs", stopped=True, reason=reason, changed_by=unit.actor.id)
        changed_now = Conflict("it was changed just now", code="runbooks_stopped")
        with flushed_or(unit.session, changed_now):
            unit.session.add(row)
    row.stopped, row.reason, row.changed_by = stopped, reason, unit.actor.id
    verb = "stop" if stopped else "start"
    event = "runbook.stopped" if stopped else "runbook.started"
    unit.record(row, f"runbook_switch.{verb}", before, _switch_shown, event=event)
    return row


def is_stopped(unit: Unit) -> bool:
    """Whether an administrator has stopped the runs of the tenant."""
    row = _switch(unit)
    return row is not None and row.stopped


def switch_shown(unit: Unit) -> SwitchOut:
    """The stop switch for clients."""
    row = _switch(unit)
    if row is None:
        return SwitchOut(stopped=False, reason=None, changed_by=None, changed_at=None)
    return SwitchOut.model_validate(_switch_shown(row) | {"changed_at": row.updated_at})


def _switch(unit: Unit, *, lock: bool = False) -> RunbookSwitch | None:
    wanted = select(RunbookSwitch)
    if lock:
        wanted = wanted.with_for_update()
    return unit.session.execute(wanted).scalar_one_or_none()


def _switch_shown(row: RunbookSwitch) -> dict[str, Any]:
    return {"stopped": row.stopped, "reason": row.reason, "changed_by": row.changed_by}


def _set_parameters(unit: Unit, row: Runbook, body: SaveRunbook) -> None:
    """Set the parameters, and seal the defaults of secret ones. One without a default retains its
    value."""
    earlier = secrets_of(unit, row)
    secrets: dict[str, str] = {}
    shown = []
    for one in body.parameters:
        fields = one.model_dump(mode="json")
        if one.secret:
            value = one.default if one.default is not None else earlier.get(one.name)
            if value is not None:
                secrets[one.name] = value
            fields |= {"default": None, "has_default": value is not None}
        else:
            fields["has_default"] = one.default is not None
        shown.append(fields)
    row.parameters = shown
    if secrets != earlier:
        text = orjson.dumps(secrets).decode()
        row.sealed = unit.seal(text, f"runbook:{row.id}:secrets") if secrets else ""


def _guardrails(unit: Unit, body: GuardrailsBody) -> dict[str, Any]:
    usual = timedelta(seconds=unit.settings.runbook_run_timeout_s)
    fields = body.model_dump(mode="json")
    return {**fields, "timeout": duration_text(usual if body.timeout is None else body.timeout)}


def _policy(unit: Unit, body: ApprovalPolicyBody) -> dict[str, Any]:
    usual = timedelta(seconds=unit.settings.runbook_approval_expiry_s)
    after = usual if body.expires_after is None else body.expires_after
    users = list(dict.fromkeys(body.users))
    return {
        "approvals": body.approvals,
        "role": body.role,
        "users": users,
        "expires_after": duration_text(after),
    }


def _check_names(unit: Unit, body: SaveRunbook) -> None:
    """Raise `Impossible` for channels and users that do not exist."""
    _check_users(unit, body.approval_policy.users, "/approval_policy/users")
    for number, step in enumerate(body.steps):
        with inside(f"/steps/{number}"):
            if step.type == "notify":
                check_channels(unit, [step.channel], "/channel")
            if step.type == "approval":
                _check_users(unit, step.users, "/users")


def _check_users(unit: Unit, ids: list[str], pointer: str) -> None:
    if not ids:
        return
    able = select(User.id).where(
        User.id.in_(ids), User.status == "active", User.role != Role.READ_ONLY.value
    )
    known = set(unit.session.execute(able).scalars())
    for number, user_id in enumerate(ids):
        if user_id not in known:
            message = f"no active operator or administrator has the id {user_id}"
            raise impossible(f"{pointer}/{number}", message, "unknown_user")
