"""Deletions: which series and time they hide, and in which blocks and log segments.

A deletion names series by matchers. It applies to the samples that exist when it is made: those in
the blocks of that moment, listed by name, and those in the log before a segment. Later samples of
the same series and time are not affected. The head drops its samples at once; blocks have theirs
until they are rewritten, and readers skip what `Intervals` covers.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.index.match import LabelIndex, match_any
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.matchers import Matcher, MatchOp

MOST_TOMBSTONES, MOST_BYTES = 10_000, 8 << 20
"""Of a store: how many, and their bytes in the manifest, which each deletion writes again."""
MOST_DELETION_BYTES = 1 << 20
"""Of one deletion."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """Series that satisfy any of the sets of matchers; milliseconds, both ends included."""

    matcher_sets: tuple[tuple[Matcher, ...], ...]
    start_ms: int
    end_ms: int

    def rows(self, index: LabelIndex) -> Ints:
        """Index rows of the series, increasing."""
        return match_any(index, self.matcher_sets)


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """The samples that a deletion hides.

    series   number of label sets with a sample in the range
    samples  number of samples; one that is in several blocks counts several times
    """

    series: int = 0
    samples: int = 0


@dataclass(frozen=True)
class Tombstone:
    """A deletion that is not yet applied everywhere.

    blocks      names of the blocks whose samples it hides
    log_before  it hides samples in segments of the log below this number
    """

    deletion: Deletion
    blocks: frozenset[str]
    log_before: int

    @cached_property
    def encoded(self) -> bytes:
        """A JSON object on one line, as in FORMAT.md, "Manifest". Every write of the manifest has
        the same bytes until the tombstone is replaced, so they are computed once."""
        fields = {
            "matchers": [
                [[m.name, m.op.value, m.value] for m in matchers]
                for matchers in self.deletion.matcher_sets
            ],
            "start_ms": self.deletion.start_ms,
            "end_ms": self.deletion.end_ms,
            "blocks": sorted(self.blocks),
            "log_before": self.log_before,
        }
        return json.dumps(fields).encode()


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """Deleted time of index rows of one part; both ends included.

    rows          [K] increasing; a row is repeated for each of its intervals
    starts, ends  [K] milliseconds; the intervals of a row increase and do not touch
    """

    rows: Ints
    starts: Ints
    ends: Ints

    @classmethod
    def of(
        cls, index: LabelIndex, deletions: Iterable[Deletion], known: Intervals | None = None
    ) -> Intervals:
        """Return the deleted time of the series of an index, and what is `known` of it."""
        none = np.zeros(0, np.int64)
        known = known or cls(none, none, none)
        rows, starts, ends = [known.rows], [known.starts], [known.ends]
        for deletion in deletions:
            some = deletion.rows(index)
            rows.append(some)
            starts.append(np.full(len(some), deletion.start_ms))
            ends.append(np.full(len(some), deletion.end_ms))
        return cls.merged(np.concatenate(rows), np.concatenate(starts), np.concatenate(ends))

    @classmethod
    def merged(cls, rows: Ints, starts: Ints, ends: Ints) -> Intervals:
        """Return intervals from [K] in any order; intervals of a row that overlap or touch are
        merged."""
        some = np.flatnonzero(starts <= ends)
        order = some[np.lexsort((starts[some], rows[some]))]
        rows, starts, ends = rows[order], starts[order], ends[order]
        if len(rows) < 2:
            return cls(rows, starts, ends)
        # The latest end so far within the row: a running maximum of (row, rank of the end).
        place = np.cumsum(np.append(0, rows[1:] != rows[:-1]))
        known, rank = np.unique(ends, return_inverse=True)
        reached = np.maximum.accumulate(place * len(known) + rank.ravel())
        until = known[reached % len(known)]
        fresh = np.append(True, (rows[1:] != rows[:-1]) | (starts[1:] > until[:-1] + 1))
        first = np.flatnonzero(fresh)
        last = np.append(first[1:], len(rows)) - 1
        return cls(rows[first], starts[first], until[last])

    def __len__(self) -> int:
        return len(self.rows)

    def touches(self, rows: Ints) -> Bools:
        """[rows] whether any sample of each row is deleted."""
        if len(self) == 0:
            return np.zeros(len(rows), np.bool_)
        place = np.minimum(np.searchsorted(self.rows, rows), len(self) - 1)
        hit: Bools = self.rows[place] == rows
        return hit

    def alike(self, rows: Ints) -> Ints:
        """[rows] equal numbers for rows with the same deleted time; 0: none."""
        number = np.zeros(len(rows), np.int64)
        known: dict[bytes, int] = {}
        for place in np.flatnonzero(self.touches(rows)).tolist():
            low, high = np.searchsorted(self.rows, [rows[place], rows[place] + 1])
            lost = self.starts[low:high].tobytes() + self.ends[low:high].tobytes()
            number[place] = known.setdefault(lost, len(known) + 1)
        return number

    def mask(self, rows: Ints, times: Ints) -> Bools:
        """[N] which samples, given by index row and time, are deleted."""
        deleted = self.touches(rows)
        some = np.flatnonzero(deleted)
        if len(some) == 0:
            return deleted
        # A pair (row, time) is encoded as one number: the time counts as the number of starts at or
        # before it.
        known = np.unique(self.starts)
        width = len(known) + 1
        own = self.rows * width + np.searchsorted(known, self.starts, side="right")
        wanted = rows[some] * width + np.searchsorted(known, times[some], side="right")
        place = np.searchsorted(own, wanted, side="right") - 1
        hit = place >= 0
        place = np.maximum(place, 0)
        hit &= (self.rows[place] == rows[some]) & (times[some] <= self.ends[place])
        deleted[some] = hit
        return deleted

    def overlap(self, rows: Ints, firsts: Ints, lasts: Ints) -> Bools:
        """[N] whether anything is deleted of a range of time, each of one index row."""
        found = self.mask(rows, lasts) | self.mask(rows, firsts)
        if len(self) and not found.all():  # an interval inside of a range begins in it
            known = np.unique(self.starts)
            own = self.rows * (len(known) + 1) + np.searchsorted(known, self.starts)
            low = rows * (len(known) + 1) + np.searchsorted(known, firsts)
            high = rows * (len(known) + 1) + np.searchsorted(known, lasts, side="right")
            found |= np.searchsorted(own, high) > np.searchsorted(own, low)
        return found

    def remaining(self, rows: Ints, start_ms: int, end_ms: int) -> list[tuple[Ints, Ints, Ints]]:
        """Return the rest of a range, for rows that `touches`: (positions in `rows`, starts,
        ends).

        Each round has at most one range of time of each row, earlier ones in earlier rounds.
        """
        low = np.searchsorted(self.rows, rows)
        count = np.searchsorted(self.rows, rows, side="right") - low
        # A row with n intervals has n + 1 gaps.
        place = np.repeat(np.arange(len(rows)), count + 1)
        number = np.arange(len(place)) - np.repeat(np.cumsum(count + 1) - (count + 1), count + 1)
        at = low[place] + number
        begins = np.full(len(place), start_ms)
        after = number > 0
        begins[after] = np.maximum(self.ends[at[after] - 1] + 1, start_ms)
        stops = np.full(len(place), end_ms)
        before = number < count[place]
        stops[before] = np.minimum(self.starts[at[before]] - 1, end_ms)
        left = np.flatnonzero(begins <= stops)
        place, begins, stops = place[left], begins[left], stops[left]
        order = np.arange(len(place))
        nth = order - np.searchsorted(place, place)
        rounds = [np.flatnonzero(nth == n) for n in range(int(nth.max(initial=-1)) + 1)]
        return [(place[some], begins[some], stops[some]) for some in rounds]


def fullness(tombstones: Iterable[Tombstone]) -> float:
    """Return the share of the tombstones that a store may have; above 1: there are too many."""
    sizes = [len(tombstone.encoded) for tombstone in tombstones]
    return max(len(sizes) / MOST_TOMBSTONES, sum(sizes) / MOST_BYTES)


def with_tombstone(tombstones: Sequence[Tombstone], new: Tombstone) -> tuple[Tombstone, ...]:
    """Return the tombstones with a new one, which replaces those of an equal deletion: the same
    deletion once an hour is one tombstone."""
    equal = [one for one in tombstones if one.deletion == new.deletion]
    blocks = new.blocks.union(*(one.blocks for one in equal))
    others = (one for one in tombstones if one.deletion != new.deletion) if equal else tombstones
    return (*others, replace(new, blocks=blocks))


def by_block(tombstones: Iterable[Tombstone]) -> dict[str, tuple[Deletion, ...]]:
    """Return the deletions that apply to each block with any, oldest first."""
    found: dict[str, list[Deletion]] = {}
    for tombstone in tombstones:
        for name in tombstone.blocks:
            found.setdefault(name, []).append(tombstone.deletion)
    return {name: tuple(deletions) for name, deletions in found.items()}


def carry_over(
    tombstones: Sequence[Tombstone],
    gone: Collection[str],
    added: Collection[str],
    applied: Collection[Tombstone],
) -> tuple[Tombstone, ...]:
    """Return the tombstones after blocks were replaced by others that were read with `applied`.

    Tombstones that are not in `applied` and hide something of a removed block hide it in the new
    ones.
    """
    done = {(one.deletion, name) for one in applied for name in one.blocks.intersection(gone)}
    out = []
    for tombstone in tombstones:
        hidden = tombstone.blocks.intersection(gone)
        if hidden:
            blocks = tombstone.blocks.difference(gone)
            if any((tombstone.deletion, name) not in done for name in hidden):
                blocks = blocks.union(added)
            tombstone = replace(tombstone, blocks=blocks)
        out.append(tombstone)
    return tuple(out)


def needed(tombstones: Iterable[Tombstone], log_start: int) -> tuple[Tombstone, ...]:
    """Return those that still hide something in a block, or in the log from `log_start` on."""
    return tuple(
        tombstone
        for tombstone in tombstones
        if tombstone.blocks or tombstone.log_before > log_start
    )


def decode(entries: Iterable[dict[str, object]]) -> tuple[Tombstone, ...]:
    """Return the tombstones of decoded JSON objects; see `Tombstone.encoded`."""
    return tuple(_decoded(**entry) for entry in entries)  # type: ignore[arg-type]


def _decoded(
    matchers: list[list[tuple[str, str, str]]],
    start_ms: int,
    end_ms: int,
    blocks: list[str],
    log_before: int,
) -> Tombstone:
    sets = tuple(tuple(Matcher(n, MatchOp(op), v) for n, op, v in one) for one in matchers)
    return Tombstone(Deletion(sets, start_ms, end_ms), frozenset(blocks), log_before)
