"""What jobs commit is shown a second later at most; what anybody else commits, at once."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from novaql.server.platform.state.change_stamp import ChangeStamp
from novaql.server.platform.state.changes import SHOWN_AFTER_S, Changes
from novaql.server.platform.state.database import StateDatabase


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
    made.changes = Changes(made._stamp_now, lambda: made._shared, clock)
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
    before = database.changes.moment()
    for _ in range(9):
        write(database, quiet=True)
        clock.now += SHOWN_AFTER_S / 10
        assert database.changes.moment() == before
    clock.now += SHOWN_AFTER_S / 5
    after = database.changes.moment()
    assert after != before
    clock.now += 10 * SHOWN_AFTER_S
    assert database.changes.moment() == after


def test_others_changes_are_shown_at_once_with_the_quiet_ones(
    database: StateDatabase, tmp_path: Path
) -> None:
    for change in loud_changes(database, tmp_path):
        before = database.changes.moment()
        write(database, quiet=True)
        assert database.changes.moment() == before
        change()
        assert database.changes.moment() != before


def test_quiet_changes_after_a_change_do_not_hide_it(
    database: StateDatabase, tmp_path: Path
) -> None:
    for change in loud_changes(database, tmp_path):
        before = database.changes.moment()
        write(database, quiet=True)
        change()
        write(database, quiet=True)
        assert database.changes.moment() != before


def test_a_change_of_another_process_beside_a_quiet_one_is_shown(
    database: StateDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes between the commit and the look at what was committed."""
    before = database.changes.moment()
    commit = Session.commit

    def late(session: Session) -> None:
        commit(session)
        elsewhere(tmp_path)

    monkeypatch.setattr(Session, "commit", late)
    write(database, quiet=True)
    assert database.changes.moment() != before


def test_a_look_between_a_quiet_commit_and_its_account_shows_nothing(
    database: StateDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = database.changes.moment()
    seen: list[int | None] = []
    commit = Session.commit

    def looked(session: Session) -> None:
        commit(session)
        seen.append(database.changes.moment())

    monkeypatch.setattr(Session, "commit", looked)
    write(database, quiet=True)
    write(database, quiet=False)
    assert seen == [before, before]
    assert database.changes.moment() != before


def test_a_commit_that_fails_hides_nothing_of_others(
    database: StateDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = database.changes.moment()

    def fail(session: Session) -> None:
        session.rollback()
        raise LookupError

    monkeypatch.setattr(Session, "commit", fail)
    with pytest.raises(LookupError):
        write(database, quiet=True)
    assert database.changes.moment() == before
    elsewhere(tmp_path)
    assert database.changes.moment() != before


def test_they_can_be_shown_now(database: StateDatabase) -> None:
    before = database.changes.moment()
    write(database, quiet=True)
    database.changes.show()
    assert database.changes.moment() != before


def test_nothing_is_held_back_where_commits_are_not_counted(
    database: StateDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ChangeStamp, "counts_commits", property(lambda _: False))
    before = database.changes.moment()
    write(database, quiet=True)
    assert database.changes.moment() != before


TABLES = ("a", "b", "c")


@pytest.mark.parametrize("seed", range(20))
def test_nobody_sees_what_others_changed_late(
    database: StateDatabase, tmp_path: Path, clock: Clock, seed: int
) -> None:
    """Against a model of what each reader must be told, and need not be told."""
    chance = random.Random(seed)
    with database.engine.begin() as connection:
        for name in TABLES:
            connection.exec_driver_sql(f"CREATE TABLE {name} (n INTEGER)")
    changes = database.changes
    moment = changes.moment()
    assert moment is not None
    told: set[str] = set()
    quiet: dict[str, float] = {}
    everything = False
    for _ in range(300):
        what = chance.choice(["quiet", "quiet", "loud", "other", "nothing", "wait", *["look"] * 4])
        name = chance.choice(TABLES)
        due = quiet and clock.now - min(quiet.values()) >= SHOWN_AFTER_S
        if due and what not in ("wait", "other"):  # all else looks first
            told |= set(quiet)
            quiet.clear()
        if what == "quiet":
            quiet.setdefault(name, clock.now)
            with database.write(None, quiet=True) as session:
                session.execute(text(f"INSERT INTO {name} VALUES (1)"))
        elif what == "loud":
            told |= {name, *quiet}
            quiet.clear()
            with database.write(None) as session:
                session.execute(text(f"DELETE FROM {name}"))
                session.execute(text(f"INSERT INTO {name} VALUES (2)"))
        elif what == "other":
            everything = True
            quiet.clear()
            elsewhere(tmp_path)
        elif what == "nothing":
            with database.write(None) as session:
                session.execute(text(f"SELECT * FROM {name}"))
        elif what == "wait":
            clock.now += chance.choice([0.1, 0.5, 1.0])
        else:
            for one in TABLES:
                same = changes.unchanged_since(moment, frozenset({one, "n", "SELECT"}))
                assert same == (not everything and one not in told)
            if chance.random() < 0.5:
                found = changes.moment()
                assert found is not None
                moment, told, everything = found, set(), False
