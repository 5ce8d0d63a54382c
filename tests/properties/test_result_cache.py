"""An answer with the cache of results is the one without, whatever happened to the data in between.

`NOVAQL_CACHE_HISTORIES` says how many random histories are played, each of some dozens of panels
refreshed between appends, late and repeated samples, deletions, flushes, compaction, retention and
reloads.
"""

from __future__ import annotations

import os
import random
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from novaql import QueryOptions, Result, ResultCache, evaluate, tsdb
from novaql.errors import EvaluationError
from novaql.options import NameRemoval
from tests.support.generators.random_queries import QueryMaker
from tests.support.generators.random_samples import (
    START_MS,
    Fleet,
    SeriesSamples,
    batch_of,
    random_fleet,
)
from tests.support.programs.query_answers import answer_of_result, disagreement

HISTORIES = int(os.environ.get("NOVAQL_CACHE_HISTORIES", "40"))
STEPS_OF_HISTORY = 40
MINUTE_MS = 60_000
FIRST_MS = START_MS - START_MS % MINUTE_MS
FLEET = Fleet(instances=2, minutes=90, interval_s=30, on_edges=True)
FIXED = (
    "sum by (job) (rate(requests_total[5m]))",
    "load",
    "load offset 3m",
    "load offset -2m",
    "max_over_time(load[7m:1m])",
    "sum(load @ 1700001800)",
    "absent(load{zone='nowhere'})",
    "count by (zone) (load) / on () group_left () sum(limit)",
    "topk(1, load)",
    "load @ end()",
    "increase(requests_total[3m] smoothed)",
    "last_over_time(load[2m] anchored)",
    "quantile(2, load)",
)


@dataclass
class History:
    """A database to which things happen, and panels over it."""

    rng: random.Random
    series: SeriesSamples
    folder: Path | None
    database: tsdb.Database = field(init=False)
    cache: ResultCache = field(default_factory=ResultCache)
    now_ms: int = FIRST_MS
    panels: list[tuple[str, QueryOptions, int]] = field(default_factory=list)
    given: list[tuple[Result, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.database = self.opened()
        maker = QueryMaker(self.rng, [FIRST_MS // 1000 + 1500], modern=True)
        queries = [*(maker.vector(2) for _ in range(2)), *self.rng.sample(FIXED, 3)]
        for query in queries:
            step = self.rng.choice((30_000, 60_000, 120_000))
            names = self.rng.choice((NameRemoval.DELAYED, NameRemoval.EAGER))
            options = QueryOptions(0, 0, step, name_removal=names)
            self.panels.append((query, options, self.rng.choice((5, 20, 40))))

    def opened(self) -> tsdb.Database:
        if self.folder is None:
            return tsdb.memory()
        return tsdb.open(self.folder, sync="os", block_ms=20 * MINUTE_MS)

    def append(self, first_ms: int, last_ms: int, *, shift: float = 0.0) -> None:
        """Samples of some of the series in (first, last]."""
        some: SeriesSamples = []
        for labels, samples in self.series:
            if self.rng.random() < 0.9:
                chosen = [(t, v + shift) for t, v in samples if first_ms < t <= last_ms]
                if chosen:
                    some.append((labels, chosen))
        if some:
            self.database.append(batch_of(some))

    def happen(self) -> None:
        """One thing."""
        roll = self.rng.random()
        back_ms = self.rng.randrange(1, 60) * MINUTE_MS
        if roll < 0.45:
            before, self.now_ms = (
                self.now_ms,
                self.now_ms + self.rng.choice((1, 1, 2, 7)) * MINUTE_MS,
            )
            self.append(before, self.now_ms)
        elif roll < 0.55:  # late, or once more
            first = self.now_ms - back_ms
            self.append(first, first + 2 * MINUTE_MS, shift=self.rng.choice((0.0, 8.0)))
        elif roll < 0.62:
            first = self.now_ms - back_ms
            name = self.rng.choice(("load", "requests_total", "limit"))
            matchers = [tsdb.Matcher("__name__", tsdb.MatchOp.EQUAL, name)]
            last = first + self.rng.choice((1, 10, 1000)) * MINUTE_MS
            self.database.delete([matchers], first, last)
        elif roll < 0.68:
            self.database.flush()
        elif self.folder is not None and roll < 0.71:
            self.database.compact()
        elif self.folder is not None and roll < 0.74:
            self.database.close()
            self.database = self.opened()
        elif self.folder is not None and roll < 0.76:
            self.retain()

    def retain(self) -> None:
        """Let blocks go that are older than half an hour."""
        self.database.flush()
        self.database.close()
        assert self.folder is not None
        retaining = tsdb.open(
            self.folder, sync="os", block_ms=20 * MINUTE_MS, retention_ms=30 * MINUTE_MS
        )
        self.database = retaining
        self.look()
        retaining.apply_retention(self.now_ms)
        self.look()

    def look(self) -> None:
        """A panel, with the cache and without."""
        query, options, width = self.rng.choice(self.panels)
        step = options.step_ms
        end = (self.now_ms + self.rng.choice((0, 0, 1, -3)) * step) // step * step
        where = QueryOptions(end - width * step, end, step, name_removal=options.name_removal)
        expected, failure = None, None
        try:
            expected = evaluate(query, self.database, where)
        except EvaluationError as problem:
            failure = str(problem)
        if expected is None:
            with pytest.raises(EvaluationError) as raised:
                evaluate(query, self.database, where, cache=self.cache)
            assert str(raised.value) == failure
            return
        found = evaluate(query, self.database, where, cache=self.cache)
        assert found.kind is expected.kind
        assert found.times_ms.tolist() == expected.times_ms.tolist()
        assert [*found.series] == [*expected.series], query
        assert set(found.warnings) == set(expected.warnings), query
        assert _without_times(found.infos) == _without_times(expected.infos), query
        wrong = _differ(expected, found)
        assert wrong is None, f"{query} from {where.start_ms} to {where.end_ms}: {wrong}"
        for earlier, bits in self.given:
            assert _bits(earlier) == bits, "an answer changed after it was given"
        self.given = [*self.given[-5:], (found, _bits(found))]


def _differ(expected: Result, found: Result) -> object:
    """What is wrong with an answer; None: nothing."""
    return disagreement(answer_of_result(expected), answer_of_result(found), relative=1e-11)


def _bits(result: Result) -> bytes:
    there = b"" if result.valid is None else result.valid.tobytes()
    return result.values.tobytes() + there


def _without_times(texts: tuple[str, ...]) -> set[str]:
    return {re.sub(r"\d{10,}", "", text) for text in texts}


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_cached_answers_are_the_answers(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    history = History(rng, random_fleet(rng, FLEET), tmp_path / "db" if seed % 4 == 0 else None)
    for _ in range(STEPS_OF_HISTORY):
        history.happen()
        history.look()
        if rng.random() < 0.3:
            history.look()
    history.database.close()


def test_the_cache_is_used() -> None:
    rng = random.Random(1)
    history = History(rng, random_fleet(rng, FLEET), None)
    history.append(FIRST_MS, FIRST_MS + 60 * MINUTE_MS)
    query, cache = "sum by (job) (rate(requests_total[5m]))", ResultCache()

    def panel(minute: int, cache: ResultCache | None) -> Result:
        end = FIRST_MS + minute * MINUTE_MS
        options = QueryOptions(end - 30 * MINUTE_MS, end, MINUTE_MS)
        return evaluate(query, history.database, options, cache=cache)

    read = [panel(minute, cache).stats.samples for minute in range(40, 60)]
    assert cache.steps_reused == 19 * 30
    assert 0 < read[-1] < panel(59, None).stats.samples / 3


def test_late_samples_make_only_their_steps_be_evaluated_again() -> None:
    rng = random.Random(2)
    history = History(rng, random_fleet(rng, FLEET), None)
    history.append(FIRST_MS, FIRST_MS + 60 * MINUTE_MS)
    cache = ResultCache()
    options = QueryOptions(FIRST_MS, FIRST_MS + 60 * MINUTE_MS, MINUTE_MS)
    evaluate("sum(rate(requests_total[5m]))", history.database, options, cache=cache)
    history.append(FIRST_MS + 20 * MINUTE_MS, FIRST_MS + 21 * MINUTE_MS, shift=100.0)
    evaluate("sum(rate(requests_total[5m]))", history.database, options, cache=cache)
    assert 50 <= cache.steps_reused <= 56


def test_answers_never_mix_what_was_before_a_batch_and_after_it() -> None:
    """Batches set all series to a number, at two far times at once: it is seen at both or none."""
    database = tsdb.memory()
    times = FIRST_MS + np.array([1, 50]) * MINUTE_MS + 17
    labels = tsdb.SeriesTable.from_dicts([{"__name__": "level", "i": str(n)} for n in range(20)])
    rows = np.repeat(np.arange(20), 2)

    def write(value: float) -> None:
        database.append(tsdb.Batch(labels, rows, np.tile(times, 20), np.full(40, value)))

    write(0.0)
    cache, done, looks = ResultCache(), threading.Event(), threading.Semaphore(0)

    def change() -> None:
        value = 0.0
        while not done.is_set():  # some batches a look: the reader sets the pace
            looks.acquire()
            for _ in range(20):
                value += 1.0
                write(value)

    writer = threading.Thread(target=change)
    writer.start()
    try:
        for number in range(150):
            looks.release()
            first = FIRST_MS + (number % 2) * MINUTE_MS
            options = QueryOptions(first, first + 52 * MINUTE_MS, MINUTE_MS)
            found = evaluate("max by (i) (level)", database, options, cache=cache)
            assert found.valid is not None
            seen = np.unique(found.values[found.valid])
            assert len(seen) == 1, seen
    finally:
        done.set()
        looks.release()
        writer.join()


def test_two_who_look_at_one_panel_with_some_delay_share_what_is_known() -> None:
    """One of them is four steps ahead, and each refreshes in turn: every step is evaluated once."""
    rng = random.Random(3)
    history = History(rng, random_fleet(rng, FLEET), None)
    history.append(FIRST_MS, FIRST_MS + 90 * MINUTE_MS)
    cache, query = ResultCache(), "sum by (job) (rate(requests_total[5m]))"

    def look(minute: int) -> None:
        end = FIRST_MS + minute * MINUTE_MS
        options = QueryOptions(end - 30 * MINUTE_MS, end, MINUTE_MS)
        found = evaluate(query, history.database, options, cache=cache)
        plain = evaluate(query, history.database, options)
        assert _differ(plain, found) is None

    look(40)
    reused = cache.steps_reused
    for minute in range(41, 80):
        look(minute)
        look(minute - 4 if minute > 44 else minute)
    assert cache.steps_reused - reused == 39 * 30 + 39 * 31
    assert cache.stats().entries == 1


@pytest.mark.slow
def test_many_threads_refresh_one_panel() -> None:
    """All get the answer that they would have got alone, whoever adds the next column."""
    rng = random.Random(4)
    history = History(rng, random_fleet(rng, FLEET), None)
    history.append(FIRST_MS, FIRST_MS + 90 * MINUTE_MS)
    cache, query = ResultCache(), "sum by (job) (rate(requests_total[5m]))"
    ends = [FIRST_MS + minute * MINUTE_MS for minute in range(40, 80)]
    panels = [QueryOptions(end - 30 * MINUTE_MS, end, MINUTE_MS) for end in ends]
    expected = [evaluate(query, history.database, panel) for panel in panels]
    wrong: list[object] = []

    def refresh(seed: int) -> None:
        order = sorted(range(len(panels)), key=lambda n: n + random.Random(seed + n).random() * 4)
        for number in order:
            found = evaluate(query, history.database, panels[number], cache=cache)
            wrong.append(_differ(expected[number], found))

    threads = [threading.Thread(target=refresh, args=(100 * seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [None] * (6 * len(panels))
    assert cache.steps_reused > 0


def test_every_form_of_a_refreshed_answer() -> None:
    """Its values are a view of a wider array, which no form of output may notice."""
    rng = random.Random(6)
    history = History(rng, random_fleet(rng, FLEET), None)
    history.append(FIRST_MS, FIRST_MS + 90 * MINUTE_MS)
    cache, moved = ResultCache(), False
    for minute in range(40, 50):
        end = FIRST_MS + minute * MINUTE_MS
        options = QueryOptions(end - 30 * MINUTE_MS, end, MINUTE_MS)
        found = evaluate("load", history.database, options, cache=cache)
        plain = evaluate("load", history.database, options)
        assert found.json() == plain.json()
        assert found.csv() == plain.csv()
        assert found.arrow().equals(plain.arrow())
        assert found.arrow(layout="wide").to_pylist() == plain.arrow(layout="wide").to_pylist()
        assert repr(found) == repr(plain)
        moved = moved or not found.values.flags.c_contiguous
    assert moved
    assert cache.steps_reused > 0


@pytest.mark.slow
def test_what_is_kept_is_bounded_however_long_a_panel_goes_on() -> None:
    rng = random.Random(5)
    history = History(rng, random_fleet(rng, Fleet(instances=2, minutes=600, interval_s=60)), None)
    history.append(FIRST_MS, FIRST_MS + 600 * MINUTE_MS)
    cache, sizes = ResultCache(), []
    for minute in range(40, 600):
        end = FIRST_MS + minute * MINUTE_MS
        options = QueryOptions(end - 30 * MINUTE_MS, end, MINUTE_MS)
        found = evaluate("load", history.database, options, cache=cache)
        sizes.append(cache.stats().bytes / max(found.values.size, 1))
    assert cache.steps_reused > 500 * 30
    assert max(sizes) < 3 * 9 + 1000


def test_a_client_that_does_not_align_its_steps_has_one_answer_of_a_panel() -> None:
    rng = random.Random(6)
    history = History(rng, random_fleet(rng, FLEET), None)
    history.append(FIRST_MS, FIRST_MS + 60 * MINUTE_MS)
    cache, query = ResultCache(), "sum by (job) (rate(requests_total[5m]))"
    for seconds in (0, 61, 122, 183, 183 + 60):
        end = FIRST_MS + 40 * MINUTE_MS + seconds * 1000
        options = QueryOptions(end - 30 * MINUTE_MS, end, MINUTE_MS)
        found = evaluate(query, history.database, options, cache=cache)
        assert _differ(evaluate(query, history.database, options), found) is None
    assert cache.stats().entries == 1
    assert cache.steps_reused == 30  # the last one has the steps of the one before


def test_another_source_has_answers_of_its_own() -> None:
    cache = ResultCache()
    options = QueryOptions(FIRST_MS, FIRST_MS + 10 * MINUTE_MS, MINUTE_MS)
    for value in (1.0, 2.0):
        database = tsdb.memory()
        database.append(batch_of([({"__name__": "m"}, [(FIRST_MS, value)])]))
        assert evaluate("m", database, options, cache=cache).values.max() == value


def test_a_cache_of_nothing_keeps_nothing() -> None:
    database, cache = tsdb.memory(), ResultCache(0)
    database.append(batch_of([({"__name__": "m"}, [(FIRST_MS, 1.0)])]))
    options = QueryOptions(FIRST_MS, FIRST_MS + 10 * MINUTE_MS, MINUTE_MS)
    for _ in range(2):
        assert len(evaluate("m", database, options, cache=cache)) == 1
    assert cache.stats().entries == 0
    assert cache.steps_reused == 0
