"""Overrides that are created after the clock was set back."""

from __future__ import annotations

from datetime import timedelta

from tests.server.oncall.conftest import Rota


def test_the_last_created_override_counts_whatever_the_clock_says(rota: Rota) -> None:
    ada, bob, eve = rota.user("ada"), rota.user("bob"), rota.user("eve")
    made, other = rota.schedule(ada), rota.schedule(ada, name="other")
    times = ("2026-04-01T00:00:00Z", "2026-04-03T00:00:00Z")
    rota.override(made["id"], bob, *times)
    rota.clock.step(timedelta(hours=-2))
    found = [rota.override(made["id"], user, *times) for user in (ada, eve)]
    elsewhere = rota.override(other["id"], bob, *times)

    assert rota.on_call(made["id"])["user"]["name"] == "Eve"
    assert all(one["created_at"] == one["updated_at"] for one in found)
    assert [one["user"]["name"] for one in rota.get("/oncall/overrides")["data"]] == [
        *("Bob", "Bob", "Ada", "Eve"),
    ]
    assert elsewhere["created_at"] == "2026-04-01T10:00:00Z"
