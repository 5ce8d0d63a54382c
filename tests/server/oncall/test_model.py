"""The final schedule as a pure function: DST, layers, restrictions, overrides, users who left."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.server.oncall.model import Layer, Override, Schedule, Span, Term
from novaql.server.oncall.restrictions import Restriction
from novaql.server.oncall.rotation import Rotation
from novaql.server.oncall.wall_clock import instant_of
from tests.support.generators.time_zones import ZONES, clocks

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
EVERY_DAY = frozenset(range(7))
DAILY = Rotation("daily", time(9))


def at(text: str) -> datetime:
    """An instant; UTC without an offset."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def schedule(zone: str, *layers: Layer, **more: object) -> Schedule:
    return Schedule((Term(ZoneInfo(zone), layers),), **more)  # type: ignore[arg-type]


def users(spans: list[Span]) -> list[str | None]:
    return [span.user_id for span in spans]


DST_TABLE = [
    (
        *("Europe/Berlin", Rotation("daily", time(9))),
        *("2027-03-27T09:00+01:00", "2027-03-28T09:00+02:00", 23 * 60),
    ),
    (
        *("Europe/Berlin", Rotation("daily", time(9))),
        *("2027-10-30T09:00+02:00", "2027-10-31T09:00+01:00", 25 * 60),
    ),
    (
        *("America/New_York", Rotation("weekly", time(9), day=0)),
        *("2026-10-26T09:00-04:00", "2026-11-02T09:00-05:00", 169 * 60),
    ),
    (
        *("America/New_York", Rotation("weekly", time(9), day=0)),
        *("2027-03-08T09:00-05:00", "2027-03-15T09:00-04:00", 167 * 60),
    ),
    (
        *("Australia/Lord_Howe", Rotation("daily", time(2, 30))),
        *("2027-04-03T02:30+11:00", "2027-04-04T02:30+10:30", 24 * 60 + 30),
    ),
    (  # 02:30 does not exist on this day: the hand-off is at 03:00, the first instant that does
        *("Europe/Berlin", Rotation("daily", time(2, 30))),
        *("2027-03-27T02:30+01:00", "2027-03-28T03:00+02:00", 23 * 60 + 30),
    ),
    (
        *("Europe/Berlin", Rotation("daily", time(2, 30))),
        *("2027-03-28T03:00+02:00", "2027-03-29T02:30+02:00", 23 * 60 + 30),
    ),
    (  # 02:30 is twice on this day: the first counts
        *("Europe/Berlin", Rotation("daily", time(2, 30))),
        *("2027-10-31T02:30+02:00", "2027-11-01T02:30+01:00", 25 * 60),
    ),
    (
        *("Europe/Berlin", Rotation("monthly", time(9), day=15)),
        *("2027-03-15T09:00+01:00", "2027-04-15T09:00+02:00", 31 * 24 * 60 - 60),
    ),
    (
        *("Europe/Berlin", Rotation("monthly", time(9), day=31)),
        *("2027-02-28T09:00+01:00", "2027-03-31T09:00+02:00", 31 * 24 * 60 - 60),
    ),
    (
        *("Europe/Berlin", Rotation("custom", time(8), length=12 * HOUR)),
        *("2027-03-27T20:00+01:00", "2027-03-28T08:00+02:00", 11 * 60),
    ),
    (  # the island went over the date line: the 30th of December was no day there
        *("Pacific/Apia", Rotation("daily", time(9))),
        *("2011-12-29T09:00-10:00", "2011-12-31T00:00+14:00", 15 * 60),
    ),
]


@pytest.mark.parametrize(("zone", "rotation", "start", "end", "minutes"), DST_TABLE)
def test_the_table_of_hand_offs_when_clocks_change(
    zone: str, rotation: Rotation, start: str, end: str, minutes: int
) -> None:
    layer = Layer(at(start) - 100 * DAY, rotation, ("ada", "bob"))
    spans = schedule(zone, layer).final(at(start) - 40 * DAY, at(end) + 40 * DAY)

    (shift,) = [span for span in spans if span.start == at(start)]
    assert shift.end == at(end)
    assert shift.end - shift.start == timedelta(minutes=minutes)


def check_cover(zone: str, rotation: Rotation, start: datetime) -> None:
    """400 days of a full rotation: contiguous shifts, and each member in turn."""
    members = ("ada", "bob", "eve")
    spans = schedule(zone, Layer(start, rotation, members)).final(start, start + 400 * DAY)

    assert spans[0].start == start
    assert spans[-1].end == start + 400 * DAY
    for one, next_one in pairwise(spans):
        assert one.start < one.end == next_one.start
    assert all(span.user_id is not None and span.gap is None for span in spans)
    turns = [span.turn for span in spans]
    assert turns == sorted(set(turns), key=lambda turn: turn or 0)
    assert users(spans) == [members[(turn or 0) % 3] for turn in turns]


TIMES = st.times(max_value=time(23, 59, 59)).map(lambda one: one.replace(microsecond=0))
ROTATIONS = st.one_of(
    st.builds(Rotation, st.just("daily"), TIMES, every=st.integers(1, 30)),
    st.builds(
        *(Rotation, st.just("weekly"), TIMES),
        day=st.none() | st.integers(0, 6),
        every=st.integers(1, 5),
    ),
    st.builds(
        *(Rotation, st.just("monthly"), TIMES),
        day=st.none() | st.integers(1, 31),
        every=st.integers(1, 4),
    ),
    st.builds(
        *(Rotation, st.just("custom"), TIMES), length=st.integers(1, 400).map(lambda n: n * HOUR)
    ),
)
STARTS = st.datetimes(datetime(2005, 1, 1), datetime(2060, 1, 1)).map(  # noqa: DTZ001 - a zone follows
    lambda one: one.replace(tzinfo=UTC, microsecond=0)
)


@pytest.mark.slow
@given(st.sampled_from(ZONES), ROTATIONS, STARTS)
def test_every_instant_of_400_days_has_one_member(
    zone: str, rotation: Rotation, start: datetime
) -> None:
    check_cover(zone, rotation, start)


@pytest.mark.slow
@pytest.mark.parametrize("rotation", [DAILY, Rotation("daily", time(2, 30))])
def test_every_instant_has_one_member_in_all_zones(rotation: Rotation) -> None:
    assert len(ZONES) > 400
    for zone in clocks():
        check_cover(zone, rotation, at("2026-10-01T00:00:00"))


@pytest.mark.slow
def test_every_instant_has_one_member_of_other_rotations_in_all_zones() -> None:
    for zone in clocks():
        for rotation in (
            Rotation("weekly", time(2), day=6),
            Rotation("monthly", time(0), day=31),
            Rotation("custom", time(2, 15), length=10 * HOUR),
        ):
            check_cover(zone, rotation, at("2026-10-01T12:34:56"))


@given(st.sampled_from(ZONES), st.lists(STARTS, min_size=2, max_size=20))
def test_instants_of_wall_clock_times_are_in_their_order(zone: str, times: list[datetime]) -> None:
    place = ZoneInfo(zone)
    walls = sorted(one.replace(tzinfo=None) for one in times)
    found = [instant_of(wall, place) for wall in walls]

    assert found == sorted(found)
    for wall, instant in zip(walls, found, strict=True):
        shown = instant.astimezone(place).replace(tzinfo=None)
        assert shown >= wall
        before = (instant - timedelta(seconds=1)).astimezone(place).replace(tzinfo=None)
        assert before < wall  # it is the first instant at which clocks show that time, or a later


def test_the_first_turn_ends_at_the_first_hand_off() -> None:
    weekly = Layer(at("2026-04-01T12:00"), Rotation("weekly", time(9), day=0), ("ada", "bob"))
    spans = schedule("UTC", weekly).final(at("2026-04-01T12:00"), at("2026-04-14T00:00"))
    assert [(span.user_id, span.end) for span in spans] == [
        ("ada", at("2026-04-06T09:00")),
        ("bob", at("2026-04-13T09:00")),
        ("ada", at("2026-04-14T00:00")),
    ]
    early = Layer(at("2026-04-01T08:00"), Rotation("daily", time(9), every=3), ("ada", "bob"))
    first, *_ = schedule("UTC", early).final(at("2026-04-01T08:00"), at("2026-05-01T00:00"))
    assert first.end == at("2026-04-03T09:00")  # three days from the hand-off before the start


def test_a_later_layer_has_precedence_within_its_restrictions() -> None:
    start = at("2026-04-01T00:00")  # a Wednesday
    below = Layer(start, DAILY, ("ada",))
    office = Restriction(frozenset({0, 1, 2, 3, 4}), time(9), time(17), 0)
    above = Layer(start, Rotation("weekly", time(9), day=0), ("bob", "eve"), (office,))
    spans = schedule("Europe/Berlin", below, above).final(start, at("2026-04-07T00:00"))

    found = [(span.user_id, span.layer, span.start, span.end) for span in spans]
    assert found[:3] == [
        ("ada", 0, start, at("2026-04-01T09:00+02:00")),
        ("bob", 1, at("2026-04-01T09:00+02:00"), at("2026-04-01T17:00+02:00")),
        ("ada", 0, at("2026-04-01T17:00+02:00"), at("2026-04-02T09:00+02:00")),
    ]
    assert found[-2] == ("eve", 1, at("2026-04-06T09:00+02:00"), at("2026-04-06T17:00+02:00"))
    assert {span.user_id for span in spans if span.start.weekday() > 4} == {"ada"}


def test_a_restriction_counts_no_turns() -> None:
    """A rotation goes on outside of its restrictions: the weekend does not stop its days."""
    office = Restriction(frozenset({0, 1, 2, 3, 4}), time(9), time(17), 0)
    layer = Layer(at("2026-04-02T00:00"), Rotation("daily", time(0)), ("ada", "bob"), (office,))
    spans = schedule("UTC", layer).final(at("2026-04-02T00:00"), at("2026-04-08T00:00"))
    assert [span.user_id for span in spans if span.user_id] == ["ada", "bob", "ada", "bob"]
    assert {span.gap for span in spans if span.user_id is None} == {"outside_restrictions"}


def test_a_restriction_over_midnight_and_a_weekend_when_clocks_change() -> None:
    night = Restriction(EVERY_DAY, time(22), time(6), 1)
    layer = Layer(at("2027-03-01"), DAILY, ("ada",), (night,))
    spans = schedule("Europe/Berlin", layer).final(at("2027-03-27T12:00"), at("2027-03-28T12:00"))
    assert [span.end - span.start for span in spans if span.user_id] == [7 * HOUR]

    weekend = Restriction(frozenset({4}), time(17), time(9), 3)
    layer = Layer(at("2027-03-01"), Rotation("weekly", time(9), day=0), ("ada",), (weekend,))
    spans = schedule("Europe/Berlin", layer).final(at("2027-03-26"), at("2027-03-30"))
    assert [span.end - span.start for span in spans if span.user_id] == [63 * HOUR]


def test_the_last_created_override_has_precedence() -> None:
    start = at("2026-04-01T00:00")
    layer = Layer(start, DAILY, ("ada",))
    first = Override("o1", "bob", start + 2 * HOUR, start + 6 * HOUR)
    last = Override("o2", "eve", start + 4 * HOUR, start + 8 * HOUR)
    spans = schedule("UTC", layer, overrides=(first, last)).final(start, start + 9 * HOUR)

    assert users(spans) == ["ada", "bob", "eve", "ada"]
    assert [span.source for span in spans] == ["layer", "override", "override", "layer"]
    assert spans[2].start == start + 4 * HOUR
    under = schedule("UTC", layer, overrides=(last, first)).final(start, start + 9 * HOUR)
    assert users(under) == ["ada", "bob", "eve", "ada"]
    assert under[1].end == start + 6 * HOUR


def test_a_user_who_left_is_a_named_gap_and_stays_in_the_past() -> None:
    start = at("2026-04-01T09:00")
    layer = Layer(start, DAILY, ("ada", "bob"))
    left = {"bob": at("2026-04-04T12:00")}
    spans = schedule("UTC", layer, left=left).final(start, start + 6 * DAY)

    assert users(spans) == ["ada", "bob", "ada", "bob", None, "ada", None]
    assert spans[3].end == at("2026-04-04T12:00")
    assert (spans[4].gap, spans[4].absent) == ("user_left", ("bob",))


def test_a_lower_layer_covers_a_user_who_left() -> None:
    start = at("2026-04-01T09:00")
    lower, upper = Layer(start, DAILY, ("ada",)), Layer(start, DAILY, ("bob",))
    override = Override("o1", "bob", start, start + HOUR)
    final = schedule("UTC", lower, upper, overrides=(override,), left={"bob": start})
    spans = final.final(start, start + DAY)

    assert users(spans) == ["ada"]
    assert spans[0].absent == ("bob",)


def test_an_absent_user_does_not_cut_the_shift_of_who_covers() -> None:
    start = at("2026-04-01T09:00")
    night = Restriction(EVERY_DAY, time(20), time(22), 0)
    lower = Layer(start, Rotation("weekly", time(9), day=2), ("ada", "eve"))
    upper = Layer(start, DAILY, ("bob",), (night,))
    final = schedule("UTC", lower, upper, left={"bob": start})
    spans = final.final(start, start + 2 * DAY)

    assert users(spans) == ["ada"] * 5
    assert [span.absent for span in spans] == [(), ("bob",), (), ("bob",), ()]
    week = (start, start + 7 * DAY)
    for hours, absent in ((1, ()), (11, ("bob",)), (12, ("bob",)), (13, ())):
        whole, begins, ends = final.at(start + hours * HOUR)
        assert (whole.start, whole.end, whole.absent) == (*week, absent)
        assert (begins, ends) == (True, True)
    shifts = final.whole(start + DAY, start + 8 * DAY)
    assert [(one.user_id, one.start) for one in shifts] == [("ada", week[0]), ("eve", week[1])]


def test_reasons_of_gaps() -> None:
    start = at("2026-04-01T09:00")
    layer = Layer(start, DAILY, ("ada",), end=start + DAY)
    spans = schedule("UTC", layer).final(start - DAY, start + 2 * DAY)
    assert [span.gap for span in spans] == ["not_started", None, "ended"]
    (empty,) = schedule("UTC").final(start, start + DAY)
    assert empty.gap == "no_layers"


def test_the_whole_shift_at_an_instant() -> None:
    start = at("2026-01-01T09:00")
    monthly = Layer(start, Rotation("monthly", time(9), every=20), ("ada", "bob"))
    daily = Layer(start, DAILY, ("eve",))
    final = schedule("UTC", daily, monthly)
    span, begins, ends = final.at(at("2026-08-01T00:00"))

    assert (span.user_id, begins, ends) == ("ada", True, True)
    assert (span.start, span.end) == (start, at("2027-09-01T09:00"))
    gap, begins, ends = final.at(at("2025-01-01T00:00"))
    assert (gap.gap, gap.end, begins, ends) == ("not_started", start, False, True)


@pytest.mark.slow
@given(
    ROTATIONS,
    st.lists(
        st.tuples(st.integers(0, 200), st.integers(1, 60), st.sampled_from("abc")), max_size=12
    ),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 240), max_size=2),
)
def test_a_range_is_its_parts(
    rotation: Rotation, drawn: list[tuple[int, int, str]], gone: dict[str, int]
) -> None:
    """The final schedule is contiguous, and does not depend on where a range is cut."""
    start = at("2027-03-20T00:00")
    night = Restriction(frozenset({0, 2, 4, 6}), time(20), time(8), 1)
    layers = (Layer(start, rotation, ("a", "b", "c"), (night,)), Layer(start, DAILY, ("c", "a")))
    some = tuple(
        Override(f"o{n}", user, start + begin * HOUR, start + (begin + hours) * HOUR)
        for n, (begin, hours, user) in enumerate(drawn)
    )
    left = {user: start + hours * HOUR for user, hours in gone.items()}
    final = schedule("Europe/Berlin", *layers, overrides=some, left=left)
    end, cut = start + 10 * DAY, start + 101 * HOUR
    spans = final.final(start, end)

    assert spans[0].start == start
    assert spans[-1].end == end
    for one, next_one in pairwise(spans):
        assert one.start < one.end == next_one.start
    assert [s for s in spans if s.end <= cut] == [
        s for s in final.final(start, cut) if s.end < cut or s in spans
    ]
    for hour in range(0, 240, 7):
        moment = start + hour * HOUR
        (here,) = [span for span in spans if span.start <= moment < span.end]
        assert here.user_id == _plainly(final, moment)
        whole, begins, ends = final.at(moment)
        assert begins
        assert ends
        if start < here.start and here.end < end and not gone:
            assert whole == here
        else:
            assert whole.start <= here.start < here.end <= whole.end
            assert whole.user_id == here.user_id


def _plainly(final: Schedule, moment: datetime) -> str | None:
    """Who is on call, by asking each override and each layer."""
    gone = final.left
    (term,) = final.terms
    for one in reversed(final.overrides):
        if one.start <= moment < one.end and not gone.get(one.user_id, one.end) <= moment:
            return one.user_id
    for number in reversed(range(len(term.layers))):
        alone = Schedule((Term(term.zone, (term.layers[number],)),))
        (span,) = alone.final(moment, moment + timedelta(seconds=1))[:1]
        user = span.user_id
        if user is not None and not (user in gone and gone[user] <= moment):
            return user
    return None


def test_a_change_leaves_the_past_as_it_was() -> None:
    start, change = at("2026-04-01T09:00"), at("2026-04-03T15:00")
    before = Layer(start, DAILY, ("ada", "bob"))
    after = Layer(start, DAILY, ("ada", "eve"))
    place = ZoneInfo("UTC")
    terms = Term(place, (before,), until=change), Term(place, (after,), since=change)
    spans = Schedule(terms).final(start, start + 4 * DAY)

    assert users(spans) == ["ada", "bob", "ada", "eve"]
    shift, begins, ends = Schedule(terms).at(change)  # Ada's shift goes on: it is one
    assert (shift.start, shift.end, begins, ends) == (spans[2].start, spans[2].end, True, True)
    unlike = Term(place, (before,), until=change), Term(place, (), since=change)
    gap = Schedule(unlike).final(start, start + 4 * DAY)[-1]
    assert (gap.start, gap.gap) == (change, "no_layers")


def test_thousands_of_overrides_at_once_are_not_quadratic() -> None:
    """Each edge of the final schedule looks at a few of them."""
    start = at("2026-04-01T00:00")
    some = tuple(
        Override(f"o{n}", "gone" if n % 2 else "bob", start + n * MINUTE, start + 400 * DAY)
        for n in range(5000)
    )
    spans = schedule("UTC", overrides=some, left={"gone": start}).final(start, start + DAY)
    assert {span.user_id for span in spans} == {"bob"}
    assert all(len(span.absent) < 2 for span in spans)
