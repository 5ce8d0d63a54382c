"""Values of one time are shared until the time is over or a client writes samples."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from novaql.errors import NovaqlError
from novaql.server.cache.measurements import (
    Found,
    Measured,
    MeasurementCache,
    Measurements,
)

BEGIN = datetime(2026, 4, 1, tzinfo=UTC)
FOR_S = 5


class Asked:
    """One tenant's measurements, asked for at seconds after the beginning."""

    def __init__(self, seconds: float = FOR_S) -> None:
        self.cache = MeasurementCache(seconds)
        self.measured: list[tuple[str, int]] = []
        self.broken: set[str] = set()

    def measure(self, expr: str, at: datetime) -> Found:
        seconds = (at - BEGIN).seconds
        self.measured.append((expr, seconds))
        if expr in self.broken:
            raise NovaqlError("broken")
        return [Measured({}, float(seconds))], ()

    def value(self, seconds: float, expr: str = "a", tenant: str = "t") -> float:
        found, _ = self.cache.at(tenant, _time(seconds)).of(expr, self.measure)
        return found[0].value


def _time(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def test_values_are_of_one_time_until_it_is_over() -> None:
    asked = Asked()
    assert [asked.value(0, "a"), asked.value(4, "b"), asked.value(4, "a")] == [0, 0, 0]
    assert [asked.value(5, "a"), asked.value(9, "b")] == [5, 5]
    assert asked.measured == [("a", 0), ("b", 0), ("a", 5), ("b", 5)]


def test_a_write_of_a_client_ends_the_time() -> None:
    asked = Asked()
    before = asked.cache.version("t", _time(0))
    assert asked.value(0) == 0
    asked.cache.note_write("t")
    assert asked.cache.version("t", _time(1)) != before
    assert asked.value(1) == 1
    asked.cache.note_write("other")
    assert asked.value(2) == 1


def test_tenants_are_apart_and_zero_shares_nothing() -> None:
    asked, never = Asked(), Asked(0)
    assert [asked.value(0), asked.value(3, tenant="u")] == [0, 3]
    assert [never.value(0), never.value(1)] == [0, 1]
    assert never.cache.version("t", _time(0)) is None


def test_a_clock_that_is_set_back_is_believed() -> None:
    asked = Asked()
    assert asked.value(8) == 8
    assert asked.value(7) == 7


def test_a_failure_is_not_shared() -> None:
    asked = Asked()
    asked.broken = {"a"}
    with pytest.raises(NovaqlError):
        asked.value(0)
    asked.broken = set()
    assert asked.value(1) == 0


def test_threads_that_ask_for_the_same_measure_once() -> None:
    known, both = Measurements(BEGIN), threading.Barrier(4)
    measured = []

    def measure(expr: str, _: datetime) -> Found:
        measured.append(expr)
        threading.Event().wait(0.05)
        return [], ()

    def ask() -> None:
        both.wait(10)
        known.of("a", measure)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert measured == ["a"]
