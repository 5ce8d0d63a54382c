"""What is measured is measured again in the background, and is never told when it is too old."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from novaql.errors import NovaqlError
from novaql.server.platform.measurements import Found, Measured, Measurements, MeasurementsKept

BEGIN = datetime(2026, 4, 1, tzinfo=UTC)
FOR_S = 5


class Samples:
    """Measures each expression as the seconds since the beginning, and notes who asked."""

    def __init__(self) -> None:
        self.threads: list[str] = []
        self.measured: list[tuple[str, int]] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.broken: set[str] = set()

    def __call__(self, expr: str, at: datetime) -> Found:
        seconds = (at - BEGIN).seconds
        self.measured.append((expr, seconds))
        self.threads.append(threading.current_thread().name)
        if threading.current_thread() is not threading.main_thread():
            assert self.go_on.wait(60)
        if expr in self.broken:
            raise NovaqlError("broken")
        return [Measured({}, float(seconds))], ()


class Asked:
    """One tenant's measurements, asked for at seconds after the beginning."""

    def __init__(self, seconds: float = FOR_S) -> None:
        self.samples = Samples()
        self.kept = MeasurementsKept(seconds)

    def at(self, seconds: float) -> Measurements:
        return self.kept.at("t", BEGIN + timedelta(seconds=seconds), self.samples)

    def value(self, seconds: float, expr: str = "a") -> float:
        found, _ = self.at(seconds).of(expr, self.samples)
        return found[0].value


@pytest.fixture
def asked() -> Asked:
    return Asked()


def test_nobody_waits_for_what_is_measured_again(asked: Asked) -> None:
    assert asked.value(0) == 0
    assert asked.value(4) == 0
    asked.samples.go_on.clear()
    assert asked.value(6) == 0
    assert asked.value(7) == 0
    asked.samples.go_on.set()
    asked.kept.settled()
    assert asked.value(8) == 6
    assert asked.samples.measured == [("a", 0), ("a", 6)]
    assert asked.samples.threads[1] != threading.main_thread().name


def test_what_is_twice_as_old_is_not_told(asked: Asked) -> None:
    """Whether nobody asked meanwhile, or measuring takes too long."""
    assert asked.value(0) == 0
    assert asked.value(10) == 10
    asked.samples.go_on.clear()
    assert asked.value(16) == 10
    assert asked.value(20) == 20
    asked.samples.go_on.set()
    asked.kept.settled()
    assert asked.value(21) == 20  # what was begun at 16 came too late


def test_all_that_is_asked_for_is_of_one_time(asked: Asked) -> None:
    assert [asked.value(0, "a"), asked.value(1, "b")] == [0, 0]
    asked.samples.go_on.clear()
    assert [asked.value(6, "a"), asked.value(6, "b")] == [0, 0]
    one = asked.at(6)
    asked.samples.go_on.set()
    asked.kept.settled()
    assert [asked.value(7, "a"), asked.value(7, "b"), asked.value(7, "c")] == [6, 6, 6]
    assert one.of("b", asked.samples)[0][0].value == 0  # who has begun with the former ends so


def test_what_nobody_asks_for_any_more_is_measured_no_more(asked: Asked) -> None:
    for seconds in range(0, 30, 6):
        asked.value(seconds, "often")
        asked.value(seconds, f"once {seconds}")
        asked.kept.settled()
    for seconds in range(30, 120, 6):
        asked.value(seconds, "always")
        asked.kept.settled()
    measured = [expr for expr, _ in asked.samples.measured]
    assert measured.count("once 0") == 3
    assert 5 <= measured.count("often") <= 5 + 6
    assert measured.count("always") in (15, 16)


def test_what_is_asked_for_is_kept_up_for_a_while_when_nobody_asks(asked: Asked) -> None:
    for seconds in (0, 6, 12):
        asked.value(seconds)
        asked.kept.settled()
    seconds = 12
    for seconds in range(13, 100):
        asked.kept.keep_up(BEGIN + timedelta(seconds=seconds))
        asked.kept.settled()
    times = [at for _, at in asked.samples.measured]
    assert times[:3] == [0, 6, 12]
    assert 1 <= len(times[3:]) <= 6
    assert times[3:] == [12 + FOR_S * n for n in range(1, len(times) - 2)]
    assert asked.value(times[-1] + FOR_S - 1) == times[-1]
    assert asked.value(seconds) == seconds


def test_nothing_is_kept_up_before_its_time_or_of_what_is_not_kept(asked: Asked) -> None:
    asked.value(0)
    asked.kept.keep_up(BEGIN + timedelta(seconds=FOR_S - 1))
    asked.kept.settled()
    never = Asked(0)
    never.value(0)
    never.kept.keep_up(BEGIN + timedelta(seconds=FOR_S))
    never.kept.settled()
    assert asked.samples.measured == never.samples.measured == [("a", 0)]


def test_what_cannot_be_measured_again_is_told_to_who_asks(asked: Asked) -> None:
    asked.value(0, "a")
    asked.value(0, "b")
    asked.samples.broken = {"a"}
    asked.value(6, "b")
    asked.kept.settled()
    assert asked.value(7, "b") == 6
    with pytest.raises(NovaqlError):
        asked.value(7, "a")


def test_tenants_are_apart_and_zero_keeps_nothing(asked: Asked) -> None:
    asked.value(0)
    other = asked.kept.at("u", BEGIN + timedelta(seconds=3), asked.samples)
    assert other.of("a", asked.samples)[0][0].value == 3
    never = Asked(0)
    assert [never.value(0), never.value(1)] == [0, 1]


def test_a_clock_that_is_set_back_is_believed(asked: Asked) -> None:
    assert asked.value(8) == 8
    assert asked.value(7) == 7


def test_what_was_measured_before_a_write_is_not_told_after_it(asked: Asked) -> None:
    assert asked.value(0) == 0
    asked.kept.note_write("t")
    assert asked.value(1) == 1
    assert asked.value(2) == 1
    asked.samples.go_on.clear()
    assert asked.value(7) == 1  # measured again in the background …
    asked.kept.note_write("t")
    asked.samples.go_on.set()
    asked.kept.settled()
    assert asked.value(8) == 8  # … which was before the write
    asked.kept.note_write("other")
    assert asked.value(9) == 8
    asked.kept.note_write("t")
    asked.kept.keep_up(BEGIN + timedelta(seconds=20))
    asked.kept.settled()
    assert asked.samples.measured[-1] == ("a", 8)


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
