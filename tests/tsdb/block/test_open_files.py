"""The process has few files of blocks open, however many blocks there are, and reads are right."""

from __future__ import annotations

import gc
import os
import random
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from novaql import tsdb
from novaql.tsdb.block.open_files import BlockFile, most_open
from novaql.tsdb.disk.vfs import Disk
from novaql.tsdb.model.labels import Ints, SeriesTable
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Selection
from novaql.tsdb.parts.sorted_run import SortedRun
from tests.support.store.model import batch_of, read_all_of
from tests.support.store.stored_histograms import simple

resource = pytest.importorskip("resource")
pytestmark = pytest.mark.skipif(
    not os.path.isdir("/proc/self/fd"), reason="this system does not list open files"
)

MOST = 64
BLOCKS = 100
WINDOW_MS = 81 * 60_000
"""The widest block that a flush writes if a block has a minute."""
THREADS = 8


@pytest.fixture(autouse=True)
def few_files() -> Iterator[None]:
    """The process may open 256 files: 64 of blocks."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    assert most_open() == MOST
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def open_blocks(folder: Path) -> int:
    """Return the number of files of blocks below a folder that this process has open."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            path = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:  # that of the list itself
            continue
        found += path.startswith(str(folder)) and ".block" in path
    return found


TIMES: Ints = np.add.outer(np.arange(BLOCKS) * WINDOW_MS, np.array([0, WINDOW_MS - 1])).ravel()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of `BLOCKS` blocks, of two samples each."""
    path = tmp_path_factory.mktemp("filled") / "store"
    table = SeriesTable.from_dicts([{"__name__": "m"}])
    with tsdb.open(path, sync="os", compaction=False, block_ms=60_000) as database:
        database.append(Batch(table, np.zeros(len(TIMES), np.int64), TIMES, TIMES / 2))
        database.flush()
        assert database.stats().blocks == BLOCKS
    return path


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled, tmp_path / "store"))


def is_right(selection: Selection) -> bool:
    (samples,) = read_all_of(selection).values()
    return samples == list(zip(TIMES.tolist(), (TIMES / 2).view(np.uint64).tolist(), strict=True))


@pytest.mark.slow
def test_files_beyond_the_bound_are_closed(store: Path) -> None:
    with tsdb.open(store, compaction=False, cache_bytes=0) as database:
        for _ in range(2):
            assert is_right(database.select([], 0, int(TIMES[-1])))
            assert 0 < open_blocks(store) <= MOST


@pytest.mark.slow
def test_a_reader_beside_a_writer_holds_as_many_as_it_may(store: Path) -> None:
    with tsdb.open(store, read_only=True, cache_bytes=0) as database:
        assert MOST // 2 <= open_blocks(store) <= MOST
        assert is_right(database.select([], 0, int(TIMES[-1])))
        assert open_blocks(store) <= MOST


@pytest.mark.slow
def test_many_threads_read_during_compaction(store: Path) -> None:
    with tsdb.open(store, sync="os", compaction=False, cache_bytes=0, block_ms=60_000) as database:
        before = database.select([], 0, int(TIMES[-1]))
        done = threading.Event()
        most = 0

        def read() -> bool:
            nonlocal most
            right = is_right(database.select([], 0, int(TIMES[-1])))
            while right and not done.is_set():
                right = is_right(database.select([], 0, int(TIMES[-1])))
                most = max(most, open_blocks(store))
            return right

        with ThreadPoolExecutor(THREADS) as threads:
            answers = [threads.submit(read) for _ in range(THREADS)]
            database.compact()
            done.set()
            assert all(answer.result() for answer in answers)
        assert database.stats().blocks < BLOCKS
        # Each thread may be reading one more, and a rewrite opens the one that it writes.
        assert most <= MOST + THREADS + 2
        assert is_right(before)
        assert open_blocks(store) <= MOST
        del before
        database.maintain()
        assert len(list((store / "blocks").iterdir())) == database.stats().blocks


def read_everything(database: tsdb.Database) -> None:
    for block in database._state.current.blocks:
        block.verify_index()
        block.active_rows(0, 1)
        for rollup in block.rollups():
            assert rollup.statistics["count"] is not None
        for layer in block.layers():
            if isinstance(layer.run, SortedRun) and layer.run.unmarked is not None:
                layer.run.unmarked(np.arange(1))


def test_a_replaced_block_is_gone_with_its_last_reader(tmp_path: Path) -> None:
    """Without a collection of garbage: no object of a block refers to itself in a cycle."""
    with tsdb.open(tmp_path, sync="os", compaction=False) as database:
        for part in range(3):
            at = part * 3_600_000
            database.append(
                batch_of(
                    [({"__name__": "m", "job": str(n)}, at + n, float(n)) for n in range(3)]
                    + [({"__name__": "h"}, at, simple(1, b1=1))]
                )
            )
            database.flush()
        gc.collect()
        gc.disable()
        try:
            read_everything(database)
            selection = database.select([], 0, 10**9)
            assert len(read_all_of(selection)) == 4
            del selection
            database.compact()
            assert len(list((tmp_path / "blocks").iterdir())) == database.stats().blocks == 1
        finally:
            gc.enable()


def test_a_file_is_removed_at_the_latest_when_the_store_is_opened(tmp_path: Path) -> None:
    with tsdb.open(tmp_path, sync="os", compaction=False, cache_bytes=0) as database:
        for part in range(2):
            database.append(batch_of([({"__name__": "m"}, part, 1.0)]))
            database.flush()
        selection = database.select([], 0, 10)
        database.compact()
    assert sum(view.sample_count for view in selection.views()) == 2
    with tsdb.open(tmp_path) as database:
        assert len(database.open_report.removed) == 2
        assert len(list((tmp_path / "blocks").iterdir())) == 1


def test_files_are_opened_again_by_any_thread(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.block" for n in range(2 * MOST)]
    for n, path in enumerate(paths):
        path.write_bytes(n.to_bytes(4, "big"))
    files = [BlockFile(Disk(), path) for path in paths]

    def read(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(500):
            n = draw.randrange(len(files))
            assert files[n].opened().pread(0, 4) == n.to_bytes(4, "big")

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(read, range(THREADS)))
    assert open_blocks(tmp_path) == MOST
    files.clear()
    assert open_blocks(tmp_path) == 0
