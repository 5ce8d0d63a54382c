"""The measure of work of a range, and its bound for a page."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from novaql.server.oncall.model import Layer, Override, Schedule, Term
from novaql.server.oncall.rotation import Rotation
from novaql.server.tuning import Tuning
from tests.server.oncall.conftest import Rota, layer

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_the_work_of_a_range_counts_overrides_and_only_layers_in_force() -> None:
    start = datetime(2026, 1, 5, tzinfo=UTC)
    hourly = Rotation("custom", time(0), length=HOUR)
    layers = tuple(Layer(start, hourly, ("ada",), end=start + HOUR) for _ in range(20))
    overrides = tuple(Override(f"o{n}", "bob", start, start + 40 * DAY) for n in range(7))
    schedule = Schedule((Term(ZoneInfo("UTC"), layers),), overrides)

    assert schedule.steps(start + DAY, start + 31 * DAY) == 7


@pytest.mark.slow
@pytest.mark.parametrize("tuning", [Tuning(oncall_page_steps=3_000)])
def test_a_page_of_dense_schedules_ends_early_and_the_pages_are_complete(
    rota: Rota,
) -> None:
    ada, bob = rota.user("ada"), rota.user("bob")
    hourly = {"type": "custom", "hand_off": "00:00", "length": "1h"}
    half = [{"start": f"{hour:02}:00", "end": f"{hour:02}:30"} for hour in range(20)]
    dense = [layer(ada, bob, rotation=hourly, restrictions=half) for _ in range(20)]
    made = [rota.schedule(name=f"s{n}", layers=dense)["id"] for n in range(6)]
    made += [rota.schedule(ada, name="light")["id"]]
    pages: list[list[str]] = []
    cursor = ""
    while not pages or cursor:
        page = rota.get(f"/oncall?limit=200{cursor}")
        pages.append([one["schedule"] for one in page["data"]])
        cursor = f"&cursor={page['next_cursor']}" if "next_cursor" in page else ""
    assert [key for page in pages for key in page] == made
    assert 3 <= len(pages) <= 7
    assert all(pages)


@pytest.mark.slow
def test_light_schedules_fill_a_page(rota: Rota) -> None:
    ada, bob = rota.user("ada"), rota.user("bob")
    for number in range(60):
        rota.schedule(ada, bob, name=f"s{number}")
    page = rota.get("/oncall?limit=200")
    assert len(page["data"]) == 60
    assert "next_cursor" not in page
