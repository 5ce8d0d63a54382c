"""What jobs commit is shown a second later at most; what anybody else commits, at once."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from server.platform.state import quiet_changes
from server.platform.state.database import StateDatabase
from server.platform.state.quiet_changes import SHOWN_AFTER_S, QuietChanges


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path, clock: Clock) -> Iterator[StateDatabase]:
    made = StateDatabase(f"sqlite:///{tmp_path / 'state.db'}")
    made._quiet = QuietChanges(clock)
    with made.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (n INTEGER)")
    yield made
    made.close()


def write(database: StateDatabase, *, quiet: bool) -> None:
    with database.write(None, quiet=quiet) as session:
        session.execute(text("INSERT INTO t VALUES (1)"))


def elsewhere(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "state.db", timeout=30) as connection:
        connection.execute("INSERT INTO t VALUES (1)")
    connection.close()


def loud_changes(database: StateDatabase, tmp_path: Path) -> list[Callable[[], None]]:
    return [lambda: write(database, quiet=False), lambda: elsewhere(tmp_path)]


def test_quiet_changes_are_shown_together_a_second_later(
    database: StateDatabase, clock: Clock
) -> None:
    before = database.change_stamp()
    for _ in range(9):
        write(database, quiet=True)
        clock.now += SHOWN_AFTER_S / 10
        assert database.change_stamp() == before
    clock.now += SHOWN_AFTER_S / 5
    after = database.change_stamp()
    assert after != before
    clock.now += 10 * SHOWN_AFTER_S
    assert database.change_stamp() == after


def test_others_changes_are_shown_at_once_with_the_quiet_ones(
    database: StateDatabase, tmp_path: Path
) -> None:
    for change in loud_changes(database, tmp_path):
        before = database.change_stamp()
        write(database, quiet=True)
        assert database.change_stamp() == before
        change()
        assert database.change_stamp() != before


def test_quiet_changes_after_a_change_do_not_hide_it(
    database: StateDatabase, tmp_path: Path
) -> None:
    for change in loud_changes(database, tmp_path):
        before = database.change_stamp()
        write(database, quiet=True)
        change()
        write(database, quiet=True)
        assert database.change_stamp() != before


def test_a_change_of_another_process_beside_a_quiet_one_is_shown(
    database: StateDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes between the commit and the look at what was committed."""
    before = database.change_stamp()
    add = QuietChanges.add

    def late(quiet: QuietChanges, was: tuple[int, int], after: tuple[int, int] | None) -> None:
        assert after is not None
        elsewhere(tmp_path)
        add(quiet, was, database._raw_stamp())

    monkeypatch.setattr(QuietChanges, "add", late)
    write(database, quiet=True)
    assert database.change_stamp() != before


def test_they_can_be_shown_now(database: StateDatabase) -> None:
    before = database.change_stamp()
    write(database, quiet=True)
    database.show_quiet_changes()
    assert database.change_stamp() != before


def test_nothing_is_held_back_where_commits_are_not_counted(
    database: StateDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StateDatabase, "_counts_commits", lambda _: False)
    before = database.change_stamp()
    write(database, quiet=True)
    assert database.change_stamp() != before


@pytest.mark.parametrize("seed", range(20))
def test_nobody_sees_what_others_changed_late(
    database: StateDatabase, tmp_path: Path, clock: Clock, seed: int
) -> None:
    """Against a model: a stamp that was seen is never seen again after a change that is not quiet,
    nor when a quiet one is older than a second."""
    chance = random.Random(seed)
    seen = database.change_stamp()
    loud, oldest = False, None
    for _ in range(200):
        what = chance.choice(["quiet", "quiet", "loud", "other", "wait", "look", "look"])
        if what == "quiet":
            write(database, quiet=True)
            oldest = clock.now if oldest is None else oldest
        elif what == "loud":
            write(database, quiet=False)
            loud = True
        elif what == "other":
            elsewhere(tmp_path)
            loud = True
        elif what == "wait":
            clock.now += chance.choice([0.1, 0.5, 1.0])
        else:
            stamp = database.change_stamp()
            late = oldest is not None and clock.now - oldest >= quiet_changes.SHOWN_AFTER_S
            if loud or late:
                assert stamp != seen
            elif oldest is None:
                assert stamp == seen
            if stamp != seen:
                seen, loud, oldest = stamp, False, None
