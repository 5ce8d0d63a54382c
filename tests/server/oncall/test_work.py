"""The measure of work of a range."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from novaql.server.oncall.model import Layer, Override, Schedule, Term
from novaql.server.oncall.rotation import Rotation

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_the_work_of_a_range_counts_overrides_and_only_layers_in_force() -> None:
    start = datetime(2026, 1, 5, tzinfo=UTC)
    hourly = Rotation("custom", time(0), length=HOUR)
    layers = tuple(Layer(start, hourly, ("ada",), end=start + HOUR) for _ in range(20))
    overrides = tuple(Override(f"o{n}", "bob", start, start + 40 * DAY) for n in range(7))
    schedule = Schedule((Term(ZoneInfo("UTC"), layers),), overrides)

    assert schedule.steps(start + DAY, start + 31 * DAY) == 7
