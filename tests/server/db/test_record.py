"""`Unit.record`: a change of a row, its audit entry and its event by one call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select

from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock
from novaql.server.db.tables import AuditEntry, Event, User
from novaql.server.db.unit import Actor, Origin, Unit
from tests.support.servers.http_server import LocalServer

ACTOR = Actor("user", "usr_1", "Ada")


def in_unit(served: LocalServer, work: Callable[[Unit, User], object]) -> None:
    context = served.context.scoped(served.context.access.default_principal)
    with context.unit(ACTOR, Origin("req_1"), writes=True) as unit:
        work(unit, unit.session.execute(select(User)).scalar_one())


def shown(user: User) -> dict[str, Any]:
    return {"name": user.name, "version": user.version}


def written(served: LocalServer) -> tuple[User, AuditEntry, list[tuple[str, Any]]]:
    """The user, the newest audit entry, and the events with their data, in order."""
    with served.context.database.read(None) as session:
        user = session.execute(select(User)).scalar_one()
        entries = session.execute(select(AuditEntry).order_by(AuditEntry.id.desc())).scalars()
        entry = entries.first()
        assert entry is not None
        events = session.execute(select(Event).order_by(Event.id)).scalars()
        return user, entry, [(one.type, one.data) for one in events]


def test_a_change_is_counted_audited_and_published(
    served: LocalServer, clock: SteppedClock
) -> None:
    def rename(unit: Unit, user: User) -> None:
        before = shown(user)
        clock.step(timedelta(seconds=5))
        user.name = "Grace"
        after = unit.record(
            user, "user.update", before, shown, event="user.renamed", more={"by": "hand"}
        )
        assert after == {"name": "Grace", "version": 2}
        assert unit.audited == ["user.update"]

    in_unit(served, rename)
    user, entry, events = written(served)

    assert (user.version, user.updated_at) == (2, clock.now())
    assert (entry.action, entry.outcome, entry.request_id) == ("user.update", "success", "req_1")
    assert (entry.target_type, entry.target_id) == ("user", user.id)
    assert (entry.before, entry.after) == (
        {"name": "ada", "version": 1},
        {"name": "Grace", "version": 2},
    )
    assert [type_ for type_, _ in events] == ["audit.user.update", "user.renamed"]
    assert events[1][1] == {"user": {"name": "Grace", "version": 2}, "by": "hand"}


def test_a_new_row_is_not_counted(served: LocalServer) -> None:
    in_unit(served, lambda unit, user: unit.record(user, "user.create", None, shown))
    user, entry, events = written(served)

    assert user.version == 1
    assert (entry.before, entry.after) == (None, {"name": "ada", "version": 1})
    assert [type_ for type_, _ in events] == ["audit.user.create"]


def test_a_row_that_ends_is_shown_as_it_was(served: LocalServer) -> None:
    def end(unit: Unit, user: User) -> None:
        before = shown(user)
        assert unit.record(user, "user.deactivate", before, event="user.left") == before

    in_unit(served, end)
    user, entry, events = written(served)

    assert user.version == 2
    assert (entry.before, entry.after) == ({"name": "ada", "version": 1}, None)
    assert events[-1] == ("user.left", {"user": {"name": "ada", "version": 1}})


def test_a_row_is_shown_once(served: LocalServer) -> None:
    looks: list[str] = []

    def show(user: User) -> dict[str, Any]:
        looks.append(user.id)
        return shown(user)

    in_unit(
        served,
        lambda unit, user: unit.record(user, "user.update", shown(user), show, event="user.x"),
    )
    assert len(looks) == 1


@pytest.mark.parametrize(
    ("path", "body", "most"),
    [("ack", None, 2), ("resolve", {"note": "done"}, 2)],
)
def test_what_hangs_on_an_incident_is_read_once(
    served: LocalServer, path: str, body: dict[str, str] | None, most: int
) -> None:
    """For the snapshots before and after, and for the answer."""
    headers = served.bearer(Role.OPERATOR)
    given = {"title": "t", "severity": "sev3", "services": []}
    made = served.client.post("/v1/incidents", json=given, headers=headers).json()
    seen: list[str] = []

    def note(*arguments: Any) -> None:
        seen.append(str(arguments[2]))

    engine = served.context.database.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        url = f"/v1/incidents/{made['id']}/{path}"
        answer = served.client.post(url, json=body, headers=headers)
    finally:
        event.remove(engine, "before_cursor_execute", note)

    assert answer.status_code == 200, answer.text
    parts = ("FROM incident_services", "FROM incident_acknowledgers", "FROM incident_alerts")
    reads = [text for text in seen if any(part in text for part in parts)]
    assert len(reads) <= most
