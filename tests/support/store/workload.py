"""Random operations on a store, and the content that must remain wherever they end.

Every operation of a database is one method of `Workload`; a new one needs a line in `OPERATIONS`.
The history records for each series and time every value that was written, and up to which operation
they are durable.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from novaql import tsdb
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.model.source import Metadata
from tests.support.disks.simulated_disk import STORE, SimulatedDisk
from tests.support.store.model import (
    Labels,
    Sample,
    Stored,
    batch_of,
    bits,
    key_of,
    read_all,
)
from tests.support.store.stored_histograms import Native, simple

Place = tuple[Labels, int]
MODES = ("always", "interval", "os")


class Still:
    """Replaces a background thread, so that calls of the disk have one order."""

    def __init__(self, name: str, method: Callable[[], None], interval_s: float) -> None:
        pass

    def wake(self) -> None:
        pass

    def stop(self) -> None:
        pass


@dataclass
class History:
    """The operations on a store.

    events  place → (number of the operation, value; None: deleted), in order
    safe    place → number of the operation up to which its values are durable
    failed  operations that raised: their effects may be in the store, or not
    """

    events: dict[Place, list[tuple[int, Stored | None]]] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)
    safe: dict[Place, int] = field(default_factory=dict)
    operation: int = 0

    def begin(self) -> int:
        self.operation += 1
        return self.operation

    def note(self, place: Place, value: Stored | None) -> None:
        self.events.setdefault(place, []).append((self.operation, value))

    def all_safe(self) -> None:
        """Record that all operations up to now are durable."""
        for place in self.events:
            self.safe[place] = self.operation

    def takes_over(self, found: Mapping[Labels, list[tuple[int, Stored]]]) -> None:
        """Begin with a store that contains this; all of it is durable."""
        for labels, samples in found.items():
            for time, value in samples:
                self.note((labels, time), value)

    def problem(self, found: Mapping[Labels, list[tuple[int, Stored]]]) -> str | None:
        """The reason why a store without a power cut must not contain this; None if it may."""
        everything = dict.fromkeys(self.events, self.operation)
        return Moment(self, self.operation, everything).problem(found)


@dataclass(frozen=True)
class Moment:
    """A history up to one moment. Later operations do not count."""

    history: History
    operation: int
    safe: Mapping[Place, int]

    @classmethod
    def of(cls, history: History) -> Moment:
        return cls(history, history.operation, dict(history.safe))

    def problem(self, found: Mapping[Labels, list[tuple[int, Stored]]]) -> str | None:
        """The reason why a store must not contain this; None if it may."""
        left = {(key, time): value for key, samples in found.items() for time, value in samples}
        for place, events in self.history.events.items():
            safe = self.safe.get(place, 0)
            kept: Stored | None = None
            allowed: list[Stored | None] = []
            for operation, value in events:
                if operation <= safe and operation not in self.history.failed:
                    kept = value
                    allowed.clear()
                elif operation <= self.operation:
                    allowed.append(value)
            value = left.pop(place, None)
            if value != kept and value not in allowed:
                return f"{place} is {value}; it was promised {kept}, later it was given {allowed}"
        return f"nobody ever wrote {next(iter(left.items()))}" if left else None


SERIES: list[Mapping[str, str]] = [
    {"__name__": "up", "job": "a"},
    {"__name__": "up", "job": "b"},
    {"__name__": "load", "host": "ä"},
    {"__name__": "latency"},
]


class Workload:
    """One writer of a store on a disk. Raises what the store raises."""

    def __init__(
        self, disk: SimulatedDisk, mode: str, rng: random.Random, path: Path = STORE
    ) -> None:
        self.disk, self.mode, self.rng, self.path = disk, mode, rng, path
        self.history = History()
        self.clock = 1000
        self.segment_bytes = rng.choice([200, 400, 64 << 20])
        self.block_ms = rng.choice([50, 400, 7_200_000])
        self.database: tsdb.Database | None = None
        self.snapshots = 0

    def open(self) -> tsdb.Database:
        if self.database is None:
            self.database = tsdb.open(
                self.path,
                sync=self.mode,
                disk=self.disk,
                sync_interval_s=3600.0,
                segment_bytes=self.segment_bytes,
                block_ms=self.block_ms,
                cache_bytes=0,
            )
        return self.database

    def step(self) -> str:
        """Execute one operation; return its name."""
        self.history.begin()
        names = list(OPERATIONS)
        (name,) = self.rng.choices(names, [OPERATIONS[n][0] for n in names])
        try:
            self.open()
            OPERATIONS[name][1](self)
        except tsdb.StoreError:
            self.history.failed.add(self.history.operation)
            raise
        return name

    def append(self) -> None:
        database = self.open()
        samples = self._samples()
        batch = batch_of(samples)
        for labels, time, value in sorted(samples, key=lambda s: isinstance(s[2], Native)):
            stored = value if isinstance(value, Native) else bits(value)
            self.history.note((key_of(labels), time), stored)
        database.append(batch)
        if self.mode == "always":
            self.history.all_safe()

    def _samples(self) -> list[Sample]:
        rng = self.rng
        self.clock += rng.randint(1, 40)
        samples: list[Sample] = []
        for labels in rng.sample(SERIES, rng.randint(1, 3)):
            time = self.clock
            if rng.random() < 0.3:  # late, and often a time that has a value
                time -= rng.choice([10, 100, 1000]) * rng.randint(0, 3)
            value: float | Native = rng.choice([0.0, rng.random(), float(rng.randint(0, 9))])
            if labels["__name__"] == "latency" or rng.random() < 0.05:
                value = simple(rng.randint(1, 9), b1=rng.randint(1, 9))
            samples.append((labels, time, value))
        return samples

    def sync(self) -> None:
        self.open().sync()
        self.history.all_safe()

    def flush(self) -> None:
        self.open().flush()
        self.history.all_safe()

    def metadata(self) -> None:
        self.open().set_metadata({"up": Metadata("gauge", str(self.rng.random()))})

    def delete(self) -> None:
        labels = dict(self.rng.choice(SERIES))
        matchers = [Matcher(name, MatchOp.EQUAL, value) for name, value in labels.items()]
        start = self.clock - self.rng.randint(0, 500)
        end = start + self.rng.randint(0, 300)
        hit = [
            place
            for place in self.history.events
            if start <= place[1] <= end and labels.items() <= dict(place[0]).items()
        ]
        for place in hit:
            self.history.note(place, None)
        self.open().delete([matchers], start, end)
        for place in hit:  # a deletion is durable when it returns, in every mode
            self.history.safe[place] = self.history.operation

    def compact(self) -> None:
        self.open().compact()

    def clean(self) -> None:
        self.open().clean_tombstones()

    def snapshot(self) -> None:
        """Take a snapshot in a new directory, and compare it with the store."""
        target = self.path
        while self.disk.exists(target):  # an earlier sequence on this disk made some, too
            self.snapshots += 1
            target = self.path.parent / f"{self.path.name}-{self.snapshots}"
        database = self.open()
        database.snapshot(target)
        assert contents(self.disk, target) == read_all(database)

    def reopen(self) -> None:
        self.close()
        self.open()

    def kill(self) -> None:
        """End the process; the kernel has all bytes that it has written."""
        self.database = None
        self.disk.kill()
        self.open()

    def close(self) -> None:
        if self.database is not None:
            database, self.database = self.database, None
            database.close()
        if self.mode != "os":
            self.history.all_safe()


OPERATIONS: dict[str, tuple[float, Callable[[Workload], None]]] = {
    "append": (10, Workload.append),
    "sync": (2, Workload.sync),
    "flush": (2, Workload.flush),
    "metadata": (1, Workload.metadata),
    "delete": (1, Workload.delete),
    "compact": (1, Workload.compact),
    "clean": (0.5, Workload.clean),
    "snapshot": (0.3, Workload.snapshot),
    "reopen": (1, Workload.reopen),
    "kill": (0.7, Workload.kill),
}
"""Name → relative frequency, and the method."""


def contents(
    disk: SimulatedDisk, path: Path = STORE, read_errors: ReadErrors | None = None
) -> dict[Labels, list[tuple[int, Stored]]]:
    """The content of a store, read without writing to it; empty if there is no store."""
    try:
        with tsdb.open(path, disk=disk, read_only=True, cache_bytes=0) as database:
            return read_all(database, read_errors=read_errors)
    except tsdb.StoreNotFound:
        return {}
