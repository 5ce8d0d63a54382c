"""The final schedule: layers and overrides, resolved into contiguous spans."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Literal
from zoneinfo import ZoneInfo

from sortedcontainers import SortedDict

from novaql.fast_dataclass import dataclass
from novaql.server.oncall.restrictions import Restriction, windows
from novaql.server.oncall.rotation import Rotation, Turns

Source = Literal["layer", "override"]
Reason = Literal["user_left", "outside_restrictions", "not_started", "ended", "no_layers"]
_WEEK = timedelta(days=7)
_ABOVE_LAYERS = 1000
"""The precedence of the first override: above all layers."""

_MOST_ABSENT = 50
"""How many shifts of absent users above one that counts a span examines."""

BEGINNING, END = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
NEAR = (timedelta(hours=3), timedelta(days=2), timedelta(days=16))
FAR = (*NEAR, timedelta(days=128), timedelta(days=800))
"""The distances from an instant in which the ends of its shift are searched, one after another. The
last of `FAR` is longer than any turn."""

MOST_STEPS = 10_000
"""The most turns and restricted parts of which one range may consist."""
_STEPS_OF_A_RESTRICTION = 3
"""The work of a restriction in each range, besides the parts that it has there."""


@dataclass(slots=True)
class Budget:
    """The work that several searches may do together: turns and restricted parts."""

    left: float

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        return self.left <= 0


@dataclass(frozen=True, slots=True)
class Layer:
    """A rotation of members from `start` on, before `end`."""

    start: datetime
    rotation: Rotation
    members: tuple[str, ...]
    restrictions: tuple[Restriction, ...] = ()
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """A user who replaces those of the layers for a time. Later ones in a list have precedence."""

    id: str
    user_id: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the final schedule: one user, or a gap.

    user_id  None: no user is on call, for the reason `gap`
    layer    the number of the layer; None: an override, or a gap
    absent   users who would be on call, but have left. They differ within a shift when a user who
             left would have been on call for a part of it
    turn     number of the turn; it only distinguishes one turn from the next
    """

    start: datetime
    end: datetime
    user_id: str | None = None
    layer: int | None = None
    override_id: str | None = None
    gap: Reason | None = None
    absent: tuple[str, ...] = ()
    turn: int | None = None

    @property
    def source(self) -> Source | None:
        """What put the user on call; None for a gap."""
        if self.user_id is None:
            return None
        return "layer" if self.override_id is None else "override"

    def continues(self, other: Span) -> bool:
        """Whether `other`, which begins where this span ends, differs in nothing else."""
        return replace(self, start=other.start, end=other.end) == other

    def is_shift_of(self, other: Span) -> bool:
        """Whether an adjacent span is a part of the same shift, or of the same gap."""
        absent = self.absent if self.user_id is None else other.absent
        return replace(self, start=other.start, end=other.end, absent=absent) == other


@dataclass(frozen=True, slots=True)
class Term:
    """A schedule as it was between two changes."""

    zone: ZoneInfo
    layers: tuple[Layer, ...]
    since: datetime = BEGINNING
    until: datetime = END

    def part_of(self, start: datetime, end: datetime) -> tuple[datetime, datetime]:
        """The part of a range in this term. If there is none, its end is not after its start."""
        return max(start, self.since), min(end, self.until)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The input of the computation of the final schedule.

    terms      in the order of time; in each, a later layer has precedence
    overrides  in the order of their creation
    left       when users left; they are on call before then, not after
    """

    terms: tuple[Term, ...]
    overrides: tuple[Override, ...] = ()
    left: Mapping[str, datetime] = field(default_factory=dict)

    def steps(self, start: datetime, end: datetime) -> float:
        """Return about how many turns, restricted parts and overrides a range has: its work."""
        total = 0.0
        for term in self.terms:
            begins, ends = term.part_of(start, end)
            for layer in term.layers:
                last = ends if layer.end is None else min(ends, layer.end)
                length = max(last - max(begins, layer.start), timedelta(0))
                weekly = sum(len(one.days) for one in layer.restrictions)
                total += length / layer.rotation.about + weekly * (length / _WEEK)
        return total + sum(one.start < end and start < one.end for one in self.overrides)

    def final(self, start: datetime, end: datetime, lowest: int = 0) -> list[Span]:
        """Return the final schedule between two instants: contiguous spans without overlap.

        lowest  the first layer that counts; earlier ones are as if they had no shifts
        """
        if start >= end:
            return []
        pieces = self._claims(start, end, lowest)
        spans: list[Span] = []
        for span in _resolved(pieces, start, end, self._bounds(start, end)):
            shown = span if span.user_id is not None else replace(span, gap=self._reason(span))
            if spans and spans[-1].continues(shown):
                spans[-1] = replace(spans[-1], end=shown.end)
            else:
                spans.append(shown)
        return spans

    def at(
        self, at: datetime, distances: Sequence[timedelta] = FAR, budget: Budget | None = None
    ) -> tuple[Span, bool, bool]:
        """Return the whole shift or gap at an instant, and whether its beginning and its end are
        known. A gap before the first layer has no beginning, one after the last layer has no end.
        `absent` is that of the instant."""
        found, begins, ends, lowest = Span(at, at), False, False, 0
        for distance in self._promising(distances):
            start, end = at - distance, at + distance
            steps = self.steps(start, end)
            if steps > MOST_STEPS and found.start < found.end:
                break
            if budget is not None:
                budget.left -= steps + self._least_steps()
            found = _shift_at(self.final(start, end, lowest), at)
            begins, ends = found.start > start, found.end < end
            if begins and ends:
                break
            lowest = _rank(found)
        return found, begins, ends

    def whole(self, start: datetime, end: datetime) -> list[Span]:
        """Like `final`, but each shift is one span, also if absent users differ.

        The first and the last one are whole: they may begin before `start` and end after `end`, so
        that ids of shifts do not depend on the range.
        """
        spans: list[Span] = []
        for span in self.final(start, end):
            if spans and spans[-1].is_shift_of(span):
                spans[-1] = replace(spans[-1], end=span.end)
            else:
                spans.append(span)
        first, begins, _ = self.at(start)
        last, _, ends = self.at(end - _TICK)
        if begins:
            spans[0] = replace(spans[0], start=first.start)
        if ends:
            spans[-1] = replace(spans[-1], end=last.end)
        return spans

    def _promising(self, distances: Sequence[timedelta]) -> Sequence[timedelta]:
        """The distances without the first ones that are too short for both ends of any turn."""
        layers = [layer for term in self.terms for layer in term.layers]
        if not layers or any(layer.restrictions for layer in layers):
            return distances
        shortest = min(layer.rotation.about for layer in layers)
        return [one for one in distances if 2 * one > shortest] or distances[-1:]

    def _least_steps(self) -> int:
        """The work of a range, however short it is."""
        layers = [layer for term in self.terms for layer in term.layers]
        return sum(1 + _STEPS_OF_A_RESTRICTION * len(layer.restrictions) for layer in layers)

    def _claims(self, start: datetime, end: datetime, lowest: int) -> Iterator[_Claim]:
        for term in self.terms:
            begins, ends = term.part_of(start, end)
            for number, layer in enumerate(term.layers[lowest:], lowest):
                for span in _shifts(layer, number, begins, ends, term.zone):
                    yield from self._present(span, number)
        for number, one in enumerate(self.overrides, _ABOVE_LAYERS):
            begins, ends = max(one.start, start), min(one.end, end)
            if begins < ends:
                span = Span(begins, ends, one.user_id, override_id=one.id)
                yield from self._present(span, number)

    def _present(self, span: Span, rank: int) -> Iterator[_Claim]:
        """The part of a shift before its user left, and the part after."""
        assert span.user_id is not None
        leaves = self.left.get(span.user_id)
        if leaves is None or span.end <= leaves:
            yield _Claim(rank, span, True)
        elif span.start >= leaves:
            yield _Claim(rank, span, False)
        else:
            yield _Claim(rank, replace(span, end=leaves), True)
            yield _Claim(rank, replace(span, start=leaves), False)

    def _bounds(self, start: datetime, end: datetime) -> set[datetime]:
        """The times at which the reason of a gap may change."""
        edges = [edge for term in self.terms for edge in (term.since, term.until)]
        for term in self.terms:
            edges += [layer.start for layer in term.layers]
            edges += [layer.end for layer in term.layers if layer.end is not None]
        return {edge for edge in edges if start < edge < end}

    def _reason(self, gap: Span) -> Reason:
        if gap.absent:
            return "user_left"
        at = gap.start
        layers = [
            one for term in self.terms if term.since <= at < term.until for one in term.layers
        ]
        if not layers:
            return "no_layers"
        if any(one.start <= at and (one.end is None or at < one.end) for one in layers):
            return "outside_restrictions"
        return "not_started" if any(at < one.start for one in layers) else "ended"


def _shift_at(spans: Sequence[Span], at: datetime) -> Span:
    """The shift or gap at an instant, with all parts of it that are among some spans."""
    number = bisect_left(spans, at, key=lambda span: span.end - _TICK)
    found, first, last = spans[number], number, number
    while first > 0 and spans[first - 1].is_shift_of(found):
        first -= 1
    while last + 1 < len(spans) and spans[last + 1].is_shift_of(found):
        last += 1
    return replace(found, start=spans[first].start, end=spans[last].end)


def _rank(span: Span) -> int:
    """The lowest layer that may end a shift: layers below that of the shift do not."""
    if span.user_id is None:
        return 0
    return _ABOVE_LAYERS if span.layer is None else span.layer


_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _Claim:
    """A shift with its precedence, and whether its user is still there."""

    rank: int
    span: Span
    present: bool


def _shifts(
    layer: Layer, number: int, start: datetime, end: datetime, zone: ZoneInfo
) -> Iterator[Span]:
    """The shifts of one layer: its turns, within its restrictions."""
    begins = max(start, layer.start)
    ends = end if layer.end is None else min(end, layer.end)
    if begins >= ends:
        return
    turns = Turns(layer.rotation, layer.start, zone)
    allowed = iter(windows(layer.restrictions, begins, ends, zone))
    window = next(allowed, None)
    turn = turns.at(begins)
    turn_start, turn_end = begins, turns.begin(turn + 1)
    while window is not None and turn_start < ends:
        low, high = max(turn_start, window[0]), min(turn_end, window[1], ends)
        if low < high:
            user = layer.members[turn % len(layer.members)]
            yield Span(low, high, user, number, turn=turn)
        if window[1] <= turn_end:
            window = next(allowed, None)
        else:
            turn += 1
            turn_start, turn_end = turn_end, turns.begin(turn + 1)


def _resolved(
    claims: Iterable[_Claim], start: datetime, end: datetime, bounds: set[datetime]
) -> Iterator[Span]:
    """Sweep over all claims: at each instant the present one of the highest rank has precedence."""
    begins: dict[datetime, list[_Claim]] = {}
    ends: dict[datetime, list[_Claim]] = {}
    for claim in claims:
        begins.setdefault(claim.span.start, []).append(claim)
        ends.setdefault(claim.span.end, []).append(claim)
    present = _Ranked()
    absent = _Ranked()
    edges = sorted({start, end} | begins.keys() | ends.keys() | bounds)
    for low, high in pairwise(edges):
        for claim in ends.get(low, ()):
            (present if claim.present else absent).remove(claim)
        for claim in begins.get(low, ()):
            (present if claim.present else absent).add(claim)
        holder = next(iter(present.highest()), None)
        missing: list[str] = []
        for claim in islice(absent.highest(), _MOST_ABSENT):
            if holder is not None and claim.rank < holder.rank:
                break
            if claim.span.user_id is not None and claim.span.user_id not in missing:
                missing.append(claim.span.user_id)
        if holder is None:
            yield Span(low, high, absent=tuple(missing))
        else:
            yield replace(holder.span, start=low, end=high, absent=tuple(missing))


class _Ranked:
    """Claims at one instant, by rank: a layer has one at most, its shifts do not overlap."""

    def __init__(self) -> None:
        self._claims: SortedDict[int, _Claim] = SortedDict()

    def add(self, claim: _Claim) -> None:
        self._claims[claim.rank] = claim

    def remove(self, claim: _Claim) -> None:
        del self._claims[claim.rank]

    def highest(self) -> Iterator[_Claim]:
        """The claims, the highest first."""
        return (self._claims[rank] for rank in reversed(self._claims))
