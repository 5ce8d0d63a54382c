"""A database against a dict: appends, late and repeated samples, deletions, flushes, merging,
copies, reopenings and crashes, in any order.

Some hundred steps by default. Thousands of them, with longer lives:

    NOVAQL_MACHINE_LIVES=300 pytest -q tests/tsdb/test_database_machine.py
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from novaql import tsdb
from novaql.tsdb.model.matchers import Matcher, MatchOp
from tests.support.store.model import Labels, Model, Sample, batch_of, from_bits, key_of, read_all
from tests.support.store.stored_histograms import Native, natives

LIVES = int(os.environ.get("NOVAQL_MACHINE_LIVES", "25"))
MINUTE = 60_000

label_sets = st.fixed_dictionaries(
    {"__name__": st.sampled_from(["up", "load", "requests"])},
    optional={
        "job": st.sampled_from(["api", "db", "api-2"]),
        "instance": st.sampled_from(["", "a", "b", "ä\n", "b:9"]),
        "zone": st.just("z"),
    },
)
times = st.integers(-3, 40).map(lambda n: n * 17_000) | st.integers(-(2**62), 2**62)
usual_times = st.integers(-3, 40).map(lambda n: n * 17_000)
values = st.integers(0, 2**64 - 1).map(from_bits) | st.integers(0, 100).map(float)
one_sample = st.tuples(label_sets, st.one_of(usual_times, usual_times, times), values | natives)
matchers = st.lists(
    st.builds(
        Matcher,
        st.sampled_from(["__name__", "job", "instance", "zone", "nobody"]),
        st.sampled_from(list(MatchOp)),
        st.sampled_from(
            ["", "up", "load", "api", "a|b", "api.*", ".+", "api-?2?", "[ab]", ".*b.*"]
        ),
    ),
    max_size=3,
)


@st.composite
def scrapes(draw: st.DrawFn) -> list[Sample]:
    """Several series with the same times, as targets have them."""
    chosen = draw(st.lists(label_sets, min_size=1, max_size=5))
    instants = draw(st.lists(usual_times, min_size=1, max_size=4, unique=True))
    what: st.SearchStrategy[float | Native] = draw(
        st.sampled_from([values, values, natives, values | natives])
    )
    return [(labels, instant, draw(what)) for instant in instants for labels in chosen]


class DatabaseMachine(RuleBasedStateMachine):
    """Rules change database and model alike; every read must agree."""

    @initialize(
        block_ms=st.sampled_from([MINUTE, 10 * MINUTE, 120 * MINUTE]),
        segment_bytes=st.sampled_from([200, 64 << 20]),
        cache_bytes=st.sampled_from([0, 1 << 20]),
    )
    def begin(self, block_ms: int, segment_bytes: int, cache_bytes: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="novaql-machine-"))
        self.options: dict[str, Any] = {
            "block_ms": block_ms,
            "segment_bytes": segment_bytes,
            "cache_bytes": cache_bytes,
        }
        self.path = self.folder / "store"
        self.database = self.open(self.path)
        self.model = Model()
        self.deleted: tuple[list[Matcher], int, int] | None = None
        self.crashes = self.copies = 0

    def open(self, path: Path) -> tsdb.Database:
        return tsdb.open(path, sync="os", **self.options)

    @rule(samples=st.lists(one_sample, min_size=1, max_size=12))
    def append(self, samples: list[Sample]) -> None:
        before = self.database.version
        result = self.database.append(batch_of(samples))
        self.model.append(samples)
        assert result.appended == len(samples)
        assert self.database.version > before

    @rule(samples=scrapes())
    def scrape(self, samples: list[Sample]) -> None:
        self.database.append(batch_of(samples))
        self.model.append(samples)

    @rule(data=st.data(), value=values | natives)
    def repeat(self, data: st.DataObject, value: float | Native) -> None:
        """A time that has a sample gets another one."""
        held = [(key, time) for key, samples in self.model.series.items() for time in samples]
        if held:
            key, time = data.draw(st.sampled_from(held))
            again: list[Sample] = [(dict(key), time, value)]
            self.database.append(batch_of(again))
            self.model.append(again)

    @rule(sample=one_sample, back=st.integers(1, 10**6))
    def come_late(self, sample: Sample, back: int) -> None:
        """Before everything that is there."""
        held = [time for samples in self.model.series.values() for time in samples]
        labels, time, value = sample
        late: list[Sample] = [(labels, max(-(2**62), min([time, *held]) - back), value)]
        self.database.append(batch_of(late))
        self.model.append(late)

    @rule(matchers=matchers.filter(bool), start=times, length=st.integers(0, 900_000))
    def delete(self, matchers: list[Matcher], start: int, length: int) -> None:
        self.database.delete([matchers], start, start + length)
        self.model.delete(matchers, start, start + length)
        self.deleted = matchers, start, start + length

    @rule()
    def delete_again(self) -> None:
        """An equal deletion, of what came since; one tombstone has both."""
        if self.deleted is not None:
            matchers, start, end = self.deleted
            self.database.delete([matchers], start, end)
            self.model.delete(matchers, start, end)
            tombstones = self.database._state.current.tombstones
            assert len({one.deletion for one in tombstones}) == len(tombstones)

    @rule()
    def apply_tombstones(self) -> None:
        """As a store with very many deletions does."""
        self.database._compactor.apply_tombstones()
        assert self.database._state.current.tombstones == ()

    @rule()
    def compact(self) -> None:
        self.database.compact()

    @rule()
    def maintain(self) -> None:
        """What is worth merging, as the thread in the background does."""
        self.database.maintain()

    @rule()
    def clean(self) -> None:
        self.database.clean_tombstones()

    @rule(linked=st.booleans())
    def copy(self, linked: bool) -> None:
        """A snapshot or a backup; life may go on in it."""
        self.copies += 1
        target = self.folder / f"copy-{self.copies}"
        if linked:
            self.database.snapshot(target)
        else:
            self.database.backup(target)
        assert tsdb.check(target) == []
        if self.copies % 2:
            with tsdb.open(target, read_only=True) as kept:
                assert read_all(kept) == self.model.select()
            return
        self.database.close()
        self.path = target
        self.database = self.open(target)
        assert self.database.open_report.clean

    @rule()
    def flush(self) -> None:
        self.database.flush()
        assert self.database.stats().head_samples == 0

    @rule()
    def reopen(self) -> None:
        self.database.close()
        self.database = self.open(self.path)
        assert self.database.open_report.clean

    @rule()
    def crash(self) -> None:
        """The files as they are now are all that is left."""
        self.crashes += 1
        left = self.folder / f"left-{self.crashes}"
        shutil.copytree(self.path, left)
        self.database.close()
        self.path = left
        self.database = self.open(left)
        assert self.database.open_report.clean

    @rule()
    def read_beside(self) -> None:
        with tsdb.open(self.path, read_only=True) as beside:
            assert read_all(beside) == self.model.select()

    @rule(matchers=matchers, start=times, length=st.integers(0, 900_000))
    def select(self, matchers: list[Matcher], start: int, length: int) -> None:
        expected = self.model.select(matchers, start, start + length)
        assert read_all(self.database, matchers, start, start + length) == expected

    @rule(sets=st.lists(matchers, max_size=2))
    def describe(self, sets: list[list[Matcher]]) -> None:
        found = [self.model.select(one) for one in sets] if sets else [self.model.select()]
        keys: set[Labels] = {key for some in found for key in some}
        table = self.database.series(sets, tsdb.MIN_TIME_MS, tsdb.MAX_TIME_MS)
        assert len(table) == len(keys)
        assert {key_of(labels) for labels in table} == keys
        names = sorted({name for key in keys for name, _ in key}, key=str.encode)
        assert self.database.label_names(sets) == names
        instances = {value for key in keys for name, value in key if name == "instance"}
        assert self.database.label_values("instance", sets) == sorted(instances, key=str.encode)

    @invariant()
    def holds_everything(self) -> None:
        assert read_all(self.database) == self.model.select()

    @invariant()
    def is_sound(self) -> None:
        assert self.database.check() == []

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close()
            shutil.rmtree(self.folder)


TestDatabaseMachine = DatabaseMachine.TestCase
TestDatabaseMachine.settings = settings(
    max_examples=LIVES, stateful_step_count=12 if LIVES <= 25 else 40, deadline=None
)
