"""A process that is forked while a store is open for writing reads; only the parent writes."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

import novaql
from novaql import tsdb
from novaql.tsdb.errors import ForkedStore
from novaql.tsdb.model.matchers import Matcher, MatchOp
from tests.support.store.model import batch_of

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows forks no process")

UP = {"__name__": "up"}


def in_a_fork(work: Callable[[], object]) -> None:
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join(120)
    assert child.exitcode == 0


def test_only_the_parent_writes(tmp_path: Path) -> None:
    database = tsdb.open(tmp_path / "store")
    database.append(batch_of([(UP, 1000, 1.0)]))

    def child() -> None:
        assert database.time_range() == (1000, 1000)
        calls: list[Callable[[], object]] = [
            lambda: database.append(batch_of([(UP, 2000, 2.0)])),
            lambda: database.delete([[Matcher("job", MatchOp.EQUAL, "a")]]),
            lambda: database.set_metadata({}),
            database.flush,
            database.compact,
            lambda: database.snapshot(tmp_path / "copy"),
        ]
        for call in calls:
            with pytest.raises(ForkedStore, match=f"process {os.getppid()} writes to"):
                call()
        database.close()
        with pytest.raises(tsdb.StoreError):
            tsdb.open(tmp_path / "store")  # the parent still has it

    in_a_fork(child)
    database.append(batch_of([(UP, 3000, 3.0)]))
    database.close()
    assert tsdb.check(tmp_path / "store") == []
    with tsdb.open(tmp_path / "store") as again:
        assert again.open_report.clean
        assert again.open_report.replayed == 2
        assert again.time_range() == (1000, 3000)


def test_a_database_in_memory_is_a_copy() -> None:
    with tsdb.memory() as database:

        def child() -> None:
            assert database.append(batch_of([(UP, 1000, 1.0)])).appended == 1

        in_a_fork(child)
        assert database.time_range() is None


def test_a_database_does_not_pickle(tmp_path: Path) -> None:
    with novaql.open(tmp_path / "store") as database, pytest.raises(TypeError, match="open it in"):
        pickle.dumps(database)
