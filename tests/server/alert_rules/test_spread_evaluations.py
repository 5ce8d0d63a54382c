"""Groups of rules are evaluated when they are made, and then at moments of their own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import select

from novaql.server.alert_rules.evaluation import Slots
from novaql.server.alert_rules.tables import RuleGroup
from novaql.server.clock import SteppedClock, from_ms, to_ms
from tests.support.servers.alert_rig import NOW, AlertRig
from tests.support.servers.http_server import local_server

ANCHOR, INTERVAL = 1_000_000_007, 15_000


@pytest.mark.parametrize("group", ["grp_a", "grp_b", "grp_c"])
def test_slots_are_an_interval_apart_after_the_first(group: str) -> None:
    slots = Slots.of(group, ANCHOR, INTERVAL, spread=True)
    found = [slots.last(now) for now in range(ANCHOR - 20, ANCHOR + 4 * INTERVAL)]
    times = sorted(set(found))
    assert times[0] == ANCHOR
    assert 0 < times[1] - times[0] <= INTERVAL
    assert {b - a for a, b in pairwise(times[1:])} == {INTERVAL}
    assert found == sorted(found)
    assert [slots.after(time) for time in times[:-1]] == times[1:]
    again = Slots.of(group, ANCHOR + 123_456_789, INTERVAL, spread=True)
    assert again.after(ANCHOR + 123_456_789) % INTERVAL == times[1] % INTERVAL


def test_not_spread_they_are_whole_intervals_after_the_first() -> None:
    slots = Slots.of("grp_a", ANCHOR, INTERVAL, spread=False)
    assert slots.after(ANCHOR) == ANCHOR + INTERVAL
    assert slots.last(ANCHOR + INTERVAL - 1) == ANCHOR
    assert slots.last(ANCHOR + 7 * INTERVAL + 3) == ANCHOR + 7 * INTERVAL


def test_groups_share_an_interval_evenly() -> None:
    phases = [
        Slots.of(f"grp_{n}", ANCHOR, INTERVAL, spread=True).after(ANCHOR) % INTERVAL
        for n in range(1500)
    ]
    for begin in range(0, INTERVAL, 1500):
        assert 90 <= sum(begin <= phase < begin + 1500 for phase in phases) <= 220


@pytest.fixture
def spread() -> Iterator[AlertRig]:
    clock = SteppedClock(NOW)
    with local_server(clock=clock, egress_allow="127.0.0.0/8", evaluations_spread=True) as server:
        yield AlertRig(server, clock)


def evaluated(rig: AlertRig) -> tuple[str, datetime | None]:
    with rig.server.context.database.read(None) as session:
        group = session.execute(select(RuleGroup)).scalar_one()
    return group.id, group.evaluated_at


@pytest.mark.slow
def test_a_rule_is_evaluated_at_once_and_then_at_its_moment(spread: AlertRig) -> None:
    spread.rule(**{"for": "60s"})
    spread.now(a=0.0)
    group, first = evaluated(spread)
    assert first == NOW
    assert spread.states() == {"a": "pending"}
    due = Slots.of(group, to_ms(NOW), INTERVAL, spread=True).after(to_ms(NOW))
    fires = due
    while fires < to_ms(NOW) + 60_000:
        fires += INTERVAL
    while due <= fires:
        spread.clock.step(from_ms(due - 1) - spread.clock.now())
        spread.now(a=0.0)
        assert evaluated(spread)[1] != from_ms(due)
        assert spread.states() == {"a": "pending"}
        spread.clock.step(timedelta(milliseconds=1))
        spread.now(a=0.0)
        assert evaluated(spread)[1] == from_ms(due)
        due += INTERVAL
    assert spread.states() == {"a": "firing"}
    assert to_ms(datetime.fromisoformat(spread.alert()["fired_at"])) == fires
