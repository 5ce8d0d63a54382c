"""Time zones: their names, and when their clocks change."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from novaql.server.oncall.wall_clock import UnknownZone, transitions, zone_of


def at(text: str) -> datetime:
    """An instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_transitions_are_those_of_the_zone() -> None:
    berlin = transitions(ZoneInfo("Europe/Berlin"), at("2027-01-01"), at("2028-01-01"))
    assert berlin == [at("2027-03-28T01:00"), at("2027-10-31T01:00")]
    assert transitions(ZoneInfo("UTC"), at("2027-01-01"), at("2028-01-01")) == []


@pytest.mark.parametrize(
    "name",
    ["Mars/Base", "", "Europe", "../etc/passwd", "europe\0", "localtime", "right/UTC", "Factory"],
)
def test_names_of_no_zone(name: str) -> None:
    with pytest.raises(UnknownZone):
        zone_of(name)
