"""A process that writes to a store until it is killed, and the content that must remain.

A seed and a number determine each operation, so the process that kills it can compute them. The
only message is a file with a line for each acknowledged operation.
"""

from __future__ import annotations

import os
import random
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import novaql.tsdb.database  # noqa: F401 - forks of a process that has it start faster
from novaql import tsdb
from novaql.tsdb.model.matchers import Matcher, MatchOp
from tests.support.store.model import Labels, Sample, Stored, batch_of, bits, key_of
from tests.support.store.stored_histograms import Native, simple

STEP_MS = 1000
"""Time between two operations, by the times of the samples."""

Place = tuple[Labels, int]
SERIES: list[Mapping[str, str]] = [
    *({"__name__": "m", "i": str(i)} for i in range(8)),
    *({"__name__": "latency", "i": str(i)} for i in range(2)),
]


@dataclass(frozen=True)
class Append:
    """Samples in one batch: a scrape, late samples, and times that already have a value."""

    samples: list[Sample]


@dataclass(frozen=True)
class Delete:
    """A deletion of one series, both ends included."""

    labels: Mapping[str, str]
    start_ms: int
    end_ms: int


def operation(seed: int, number: int) -> Append | Delete:
    """The operation with this number in the sequence of a seed."""
    rng = random.Random(f"{seed} {number}")
    now = (number + 1) * STEP_MS
    if rng.random() < 0.03:
        start = now - rng.randint(0, 200) * STEP_MS
        return Delete(rng.choice(SERIES), start, start + rng.randint(0, 20) * STEP_MS)
    samples = [_sample(labels, now, rng) for labels in SERIES if rng.random() < 0.8]
    if rng.random() < 0.4:  # late, by up to some blocks; often at a time that has a value
        back = rng.choice([1, 5, 60, 300])
        late = max(STEP_MS, now - rng.randint(1, back) * STEP_MS - rng.choice([0, 0, 1, 500]))
        samples += [_sample(labels, late, rng) for labels in SERIES if rng.random() < 0.5]
    return Append(samples or [_sample(SERIES[0], now, rng)])


def _sample(labels: Mapping[str, str], time: int, rng: random.Random) -> Sample:
    if labels["__name__"] == "latency" and rng.random() < 0.8:
        return labels, time, simple(rng.randint(1, 99), b1=rng.randint(1, 9))
    return labels, time, rng.choice([rng.random(), float(rng.randint(0, 9))])


def write(path: Path, seed: int, first: int, options: dict[str, Any], log: Path) -> None:
    """Execute one operation after another, while another thread does maintenance."""
    acknowledged = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        database = tsdb.open(path, **options)
        os.write(acknowledged, b"open\n")
        upkeep = threading.Thread(target=_maintain, args=(database, seed + first, acknowledged))
        upkeep.daemon = True
        upkeep.start()
        for number in range(first, first + 100_000):
            _do(database, operation(seed, number))
            os.write(acknowledged, b"%d\n" % number)
    except Exception:
        os.write(acknowledged, b"failed " + traceback.format_exc().encode())
        raise


def _do(database: tsdb.Database, what: Append | Delete) -> None:
    if isinstance(what, Append):
        database.append(batch_of(what.samples))
        return
    matchers = [Matcher(name, MatchOp.EQUAL, value) for name, value in what.labels.items()]
    database.delete([matchers], what.start_ms, what.end_ms)


def _maintain(database: tsdb.Database, seed: int, acknowledged: int) -> None:
    """Flush, compact, maintain, clean tombstones and sync in random order, without a pause."""
    rng = random.Random(seed)
    works: list[Callable[[], object]] = [
        database.flush, database.flush, database.compact, database.maintain, database.maintain,
        database.clean_tombstones, database.sync,
    ]  # fmt: skip
    try:
        while True:
            rng.choice(works)()
    except Exception:
        os.write(acknowledged, b"failed " + traceback.format_exc().encode())
        raise


@dataclass
class Expected:
    """The data that a store must have.

    values  place → every value written since its last deletion; the last one counts
    """

    retention_ms: int | None = None
    values: dict[Place, list[Stored]] = field(default_factory=dict)
    newest_ms: int = 0

    def take(self, what: Append | Delete) -> None:
        """Apply an acknowledged operation."""
        if isinstance(what, Delete):
            for place in self._hit(what):
                del self.values[place]
            return
        for labels, time, value in _in_order(what):
            self.values.setdefault((key_of(labels), time), []).append(_stored(value))
            self.newest_ms = max(self.newest_ms, time)

    def settle(
        self, under_way: Append | Delete, found: Mapping[Labels, list[tuple[int, Stored]]]
    ) -> None:
        """Apply the operation that was not acknowledged, as far as the store has it: whole, in part
        (of a batch), or not at all."""
        left = {(key, time): value for key, samples in found.items() for time, value in samples}
        if isinstance(under_way, Delete):
            hit = [place for place in self._hit(under_way) if not self._may_go(place)]
            if hit and all(place not in left for place in hit):
                self.take(under_way)
            return
        for labels, time, value in _in_order(under_way):
            place = (key_of(labels), time)
            if place in left and left[place] == _stored(value):
                self.values.setdefault(place, []).append(left[place])
                self.newest_ms = max(self.newest_ms, time)

    def problem(self, found: Mapping[Labels, list[tuple[int, Stored]]]) -> str | None:
        """The reason why a store must not contain this; None if it may."""
        left = {(key, time): value for key, samples in found.items() for time, value in samples}
        for place, values in self.values.items():
            value = left.pop(place, None)
            if value == values[-1] or (self._may_go(place) and value in (None, *values)):
                continue
            return f"{place} is {value}, not {values[-1]}; it was given {values}"
        return f"nobody wrote {next(iter(left.items()))}, or it was deleted" if left else None

    def _may_go(self, place: Place) -> bool:
        return self.retention_ms is not None and place[1] < self.newest_ms - self.retention_ms

    def _hit(self, what: Delete) -> list[Place]:
        key = key_of(what.labels)
        return [
            place
            for place in self.values
            if place[0] == key and what.start_ms <= place[1] <= what.end_ms
        ]


def _in_order(what: Append) -> list[Sample]:
    """The samples in the order of precedence: the histograms of a batch count as later than its
    floats."""
    return sorted(what.samples, key=lambda sample: isinstance(sample[2], Native))


def _stored(value: float | Native) -> Stored:
    return value if isinstance(value, Native) else bits(value)
