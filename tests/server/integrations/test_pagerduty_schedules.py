"""Schedules of PagerDuty's API as schedules of this server: layers, turns and restrictions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from novaql.server.integrations.pagerduty_schedules import planned
from tests.support.messages.pagerduty_schedules import layer, schedule

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
HOUR, DAY, WEEK = 3600, 86_400, 604_800


def test_a_weekly_layer() -> None:
    plan = planned(schedule(layer()), NOW)

    assert (plan.name, plan.timezone, plan.problems, plan.notes) == (
        *("Payments", "Europe/Berlin"),
        *([], []),
    )
    assert plan.people == {"PU1": "Ada", "PU2": "PU2"}
    assert plan.layers == [
        {
            "name": "Layer 1",
            "start": "2026-01-05T08:00:00Z",
            "end": None,
            "rotation": {"type": "weekly", "hand_off": "mon 09:00:00", "length": 1},
            "members": ["PU1", "PU2"],
            "restrictions": [],
        }
    ]


@pytest.mark.parametrize(
    ("seconds", "rotation"),
    [
        (DAY, {"type": "daily", "hand_off": "09:00:00", "length": 1}),
        (3 * DAY, {"type": "daily", "hand_off": "09:00:00", "length": 3}),
        (2 * WEEK, {"type": "weekly", "hand_off": "mon 09:00:00", "length": 2}),
        (12 * HOUR, {"type": "custom", "hand_off": "09:00:00", "length": "43200s"}),
    ],
)
def test_turns(seconds: int, rotation: dict[str, Any]) -> None:
    plan = planned(schedule(layer(rotation_turn_length_seconds=seconds)), NOW)
    assert plan.layers[0]["rotation"] == rotation


@pytest.mark.parametrize(
    ("restriction", "expected"),
    [
        (("daily_restriction", "08:00:00", 9 * HOUR, None), ("08:00:00", "17:00:00")),
        (("daily_restriction", "20:00:00", 12 * HOUR, None), ("20:00:00", "08:00:00")),
        (("weekly_restriction", "17:00:00", 64 * HOUR, 5), ("fri 17:00:00", "mon 09:00:00")),
        (("weekly_restriction", "00:00:00", DAY, 7), ("sun 00:00:00", "mon 00:00:00")),
    ],
)
def test_restrictions(
    restriction: tuple[str, str, int, int | None], expected: tuple[str, str]
) -> None:
    kind, start, seconds, day = restriction
    one = {"type": kind, "start_time_of_day": start, "duration_seconds": seconds}
    if day is not None:
        one["start_day_of_week"] = day
    plan = planned(schedule(layer(restrictions=[one])), NOW)
    assert plan.layers[0]["restrictions"] == [{"start": expected[0], "end": expected[1]}]


def test_a_restriction_of_a_whole_day_is_none() -> None:
    one = {"type": "daily_restriction", "start_time_of_day": "00:00:00", "duration_seconds": DAY}
    assert planned(schedule(layer(restrictions=[one])), NOW).layers[0]["restrictions"] == []


def test_the_first_layer_of_pagerduty_is_the_last_here() -> None:
    plan = planned(schedule(layer(name="above"), layer(name="below")), NOW)
    assert [one["name"] for one in plan.layers] == ["below", "above"]


def test_an_ended_layer_is_left_out() -> None:
    plan = planned(schedule(layer(), layer(name="old", end="2026-02-01T00:00:00Z")), NOW)
    assert (len(plan.layers), plan.notes) == (1, ["layer old: it has ended"])


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"users": []}, "no users"),
        ({"rotation_turn_length_seconds": 1800}, "shorter than an hour"),
        ({"start": "2026-05-06T09:00:00Z"}, "in the middle of a turn"),
        (
            {
                "restrictions": [
                    {
                        "type": "monthly_restriction",
                        "start_time_of_day": "08:00:00",
                        "duration_seconds": 60,
                    }
                ]
            },
            "monthly_restriction",
        ),
    ],
)
def test_what_cannot_be_expressed_is_a_problem(wrong: dict[str, Any], problem: str) -> None:
    plan = planned(schedule(layer(**wrong)), NOW)
    assert problem in plan.problems[0]


def test_an_unknown_zone_is_a_problem() -> None:
    (problem,) = planned(schedule(layer(), time_zone="Berlin Time"), NOW).problems
    assert "Berlin Time" in problem
