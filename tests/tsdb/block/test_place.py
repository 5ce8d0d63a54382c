"""Pieces of many pages, read by several threads, go where they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from novaql import tsdb
from novaql.tsdb.block.paged_stream import PagedStream
from novaql.tsdb.codec.numba.compiled import PAGES
from novaql.tsdb.errors import Corrupted
from novaql.tsdb.model.labels import Ints, SeriesTable
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.samples import STALE, Batch, Floats, is_stale
from novaql.tsdb.parts.sorted_run import CopyRanges, SortedRun
from novaql.tsdb.runtime import parallel as ordered_parallel
from novaql.tsdb.runtime.compiled import Mode

SERIES, SAMPLES = 260, 2000


def done(parts: Sequence[Callable[[], Ints | None]]) -> list[Ints | None]:
    """What they say, done in another order by as many threads as there are."""
    said: list[Ints | None] = []
    ordered_parallel.ordered_parallel(len(parts), lambda n: parts[-n](), said.append, alone=False)
    return said


@pytest.fixture(params=["off", "on"])
def mode(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "on":
        pytest.importorskip("numba", reason="numba is an extra")
    with PAGES.forced(Mode(request.param)):
        yield request.param


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    with ThreadPoolExecutor(3) as pool:
        monkeypatch.setattr(ordered_parallel, "_cores", lambda: request.param)
        monkeypatch.setattr(ordered_parallel, "_helpers", lambda _: pool)
        yield request.param


def matrix() -> Floats:
    rng = np.random.default_rng(3)
    grown = rng.integers(0, 90, (SERIES, SAMPLES)).cumsum(axis=1) / 100
    grown[7, 50], grown[100, -1] = STALE, -0.0
    return grown


def stored(path: Path) -> tsdb.Database:
    database = tsdb.open(path)
    table = SeriesTable.from_dicts([{"__name__": "up", "i": f"{i:03}"} for i in range(SERIES)])
    rows = np.repeat(np.arange(SERIES), SAMPLES)
    times = np.tile(np.arange(SAMPLES) * 1000, SERIES)
    database.append(Batch(table, rows, times, matrix().ravel()))
    database.flush()
    return database


def stream(database: tsdb.Database) -> tuple[SortedRun, PagedStream]:
    (block,) = database._state.current.blocks
    run = block.layers()[0].run
    assert isinstance(run, SortedRun)
    assert isinstance(run.values, PagedStream)
    return run, run.values


@pytest.mark.parametrize(("first", "size"), [(0, SAMPLES), (40, 20), (1960, 40), (300, 1300)])
@pytest.mark.usefixtures("threads")
def test_windows_of_all_series(tmp_path: Path, first: int, size: int, mode: str) -> None:
    with stored(tmp_path / "store") as database:
        run, values = stream(database)
        starts = run.value_start[np.arange(SERIES)] + first
        lengths = np.full(SERIES, size)
        plain = values.floats(starts, lengths).reshape(SERIES, size)
        database.clear_pages()

        ranges = CopyRanges(np.arange(SERIES)[::-1] * size, starts, lengths)
        for turn in range(2):  # the second finds some pages cached, and the ranges grouped by page
            assert (ranges.by_page is None) == (turn == 0)
            out = np.zeros(SERIES * size)
            parts = values.plan_copy(out, ranges).parts
            assert len(parts) > 2
            found_stale = done(parts)
            found = out.reshape(SERIES, size)[::-1]
            assert (found.view(np.int64) == plain.view(np.int64)).all(), turn
            stale = np.flatnonzero(is_stale(out))
            if all(some is not None for some in found_stale):
                named = [at for some in found_stale if some is not None for at in some.tolist()]
                assert sorted(named) == stale.tolist()
            else:
                assert mode == "off"
        wanted = np.sort(matrix()[:, first : first + size].view(np.int64), axis=0)
        assert (np.sort(plain.view(np.int64), axis=0) == wanted).all()


@pytest.mark.usefixtures("mode", "threads")
def test_a_damaged_page_is_told_whoever_meets_it(tmp_path: Path) -> None:
    up = [Matcher("__name__", MatchOp.EQUAL, "up")]
    with stored(tmp_path / "store") as database:
        _, values = stream(database)
        at = int(values.offset[len(values.first) // 2]) + 30
        path = next((tmp_path / "store" / "blocks").iterdir())
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        with path.open("r+b") as file:
            file.write(data)
        found = database.select(up, 0, SAMPLES * 1000)
        assert found.batches is not None
        with pytest.raises(Corrupted):
            _ = [ref.load() for ref in found.batches]
