"""Offsets of zones, and beginnings of local days, against Python's own time zones."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from novaql.evaluator.kernels.zones import CYCLE, END, FIRST, UnknownZone, start_of, zone_of

ZONES = (
    "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC",
    "Africa/Casablanca", "America/Santiago", "America/Havana", "Pacific/Apia", "Antarctica/Troll",
    "Asia/Tehran",
)  # fmt: skip
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _local(second: int, zone: str) -> datetime:
    return (EPOCH + timedelta(seconds=second)).astimezone(ZoneInfo(zone))


@pytest.mark.parametrize("zone", ZONES)
def test_offsets_are_those_of_the_database(zone: str) -> None:
    rng = random.Random(7)
    seconds = [rng.randrange(FIRST, END) for _ in range(300)]
    seconds += [rng.randrange(0, 2_500_000_000) for _ in range(700)]
    # At each change, and a second before it.
    changes = zone_of(zone).starts[1:].tolist()
    seconds += [c - d for c in rng.sample(changes, min(200, len(changes))) for d in (0, 1)]

    found = zone_of(zone).offset(np.array(seconds))

    for second, offset in zip(seconds, found.tolist(), strict=True):
        expected = _local(second, zone).utcoffset()
        assert expected is not None
        assert offset == int(expected.total_seconds()), second


def test_rules_repeat_after_400_years() -> None:
    zone = zone_of("Europe/Berlin")
    seconds = np.arange(END - CYCLE, END, 86_400 * 13, dtype=np.int64)

    assert (zone.offset(seconds) == zone.offset(seconds + CYCLE)).all()
    assert (zone.offset(seconds) == zone.offset(seconds + 20 * CYCLE)).all()


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("unit", ["day", "month", "year"])
def test_beginnings_are_the_first_instants_of_their_local_dates(zone: str, unit: str) -> None:
    rng = random.Random(9)
    seconds = [rng.randrange(0, 2_500_000_000) for _ in range(300)]

    begun = start_of(unit, np.array(seconds), zone_of(zone)).tolist()

    parts = {"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}[unit]
    for second, begin in zip(seconds, begun, strict=True):
        assert begin <= second
        here, first = _local(second, zone), _local(begin, zone)
        assert first.strftime(parts) == here.strftime(parts), (second, begin)
        assert _local(begin - 1, zone).strftime(parts) != here.strftime(parts), (second, begin)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Europe",
        "../x",
        "Mars/Olympus",
        "/etc/passwd",
        "Europe/Berlin\0",
        "localtime",
        "right/UTC",
    ],
)
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(UnknownZone):
        zone_of(name)
