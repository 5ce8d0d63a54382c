"""What follows in schedules when a user is deactivated."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from novaql.server.db.tables import Event, User
from tests.server.oncall.conftest import Rota, layer, names


def published(rota: Rota) -> list[tuple[str, str]]:
    """Schedules and users of the events."""
    with rota.server.context.database.read(None) as session:
        wanted = select(Event).where(Event.type == "oncall.member_left").order_by(Event.id)
        rows = session.execute(wanted).scalars()
        return [(row.data["schedule"]["id"], row.data["user"]["name"]) for row in rows]


def test_the_hole_is_published(rota: Rota) -> None:
    ada, bob = rota.user("ada"), rota.user("bob")
    member, other, covers = rota.schedule(ada, bob), rota.schedule(ada), rota.schedule(ada)
    rota.override(covers["id"], bob, "2026-04-05T00:00:00Z", "2026-04-05T06:00:00Z")
    rota.override(other["id"], bob, "2026-03-05T00:00:00Z", "2026-03-05T06:00:00Z")
    rota.ask("DELETE", f"/users/{bob}")
    rota.server.run_jobs()

    assert published(rota) == [(member["id"], "Bob"), (covers["id"], "Bob")]


@pytest.mark.slow
def test_a_user_who_returns_and_leaves_again(rota: Rota) -> None:
    bob = rota.user("bob")
    made = rota.schedule(bob)
    invitation = rota.post(f"/users/{bob}/invitation", None, 200)["invitation_token"]
    rota.server.client.post("/v1/invitations/accept", json={"token": invitation})
    for expected in ("2026-04-01T12:00:00Z", "2026-04-01T15:00:00Z"):
        rota.ask("DELETE", f"/users/{bob}")
        rota.server.run_jobs()
        assert rota.on_call(made["id"])["from"] == expected
        assert rota.on_call(made["id"])["gap"] == "user_left"
        rota.clock.step(timedelta(hours=3))
        version = rota.ask("GET", f"/users/{bob}")
        found = {"version": version.json().get("version", 0), "status": "active"}
        if version.status_code == 404:
            (row,) = [u for u in rota.get("/users?limit=200")["data"] if u["id"] == bob]
            found["version"] = row["version"]
        rota.post(f"/users/{bob}", found, 200)
        assert rota.on_call(made["id"])["user"]["id"] == bob


def test_a_later_change_of_the_row_does_not_move_the_departure(rota: Rota) -> None:
    """The identity provider may still rename a user who has left."""
    bob = rota.user("bob")
    made = rota.schedule(layers=[layer(bob)])
    rota.ask("DELETE", f"/users/{bob}")
    rota.server.run_jobs()
    rota.clock.step(timedelta(hours=5))
    with rota.server.context.database.write(None) as session:
        user = session.get_one(User, bob)
        user.updated_at = rota.clock.now()
    spans = rota.shifts(made["id"], "2026-04-01T10:00:00Z", "2026-04-01T16:00:00Z")
    assert names(spans) == ["Bob", None]
    assert spans[1]["from"] == "2026-04-01T12:00:00Z"
