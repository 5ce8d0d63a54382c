"""Processes of a server tell each other which tables their commits have changed."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from novaql.server.platform.state import shared_changes
from novaql.server.platform.state.changes import SHOWN_AFTER_S, Changes
from novaql.server.platform.state.database import StateDatabase
from novaql.server.platform.state.shared_changes import Commit, SharedChanges

A, B = frozenset({"a"}), frozenset({"b"})
TABLES = ("a", "b", "c")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pair(path: Path, clock: Clock) -> Iterator[tuple[StateDatabase, StateDatabase]]:
    """Two that use one database, as two processes do; they have looked at it."""
    both = [StateDatabase(f"sqlite:///{path}") for _ in range(2)]
    with both[0].engine.begin() as connection:
        for name in TABLES:
            connection.exec_driver_sql(f"CREATE TABLE {name} (n INTEGER)")
    for one in both:
        one.changes = Changes(one._stamp_now, lambda one=one: one._shared, clock)  # type: ignore[misc]
        assert one.changes.moment() is not None
        assert one._shared is not None
    yield both[0], both[1]
    for one in both:
        one.close()


def moment_of(database: StateDatabase) -> int:
    found = database.changes.moment()
    assert found is not None
    return found


def add(database: StateDatabase, table: str, *, quiet: bool = False) -> None:
    with database.write(None, quiet=quiet) as session:
        session.execute(text(f"INSERT INTO {table} VALUES (1)"))


def elsewhere(path: Path) -> None:
    with sqlite3.connect(path, timeout=30) as connection:
        connection.execute("INSERT INTO a VALUES (1)")
    connection.close()


def test_others_see_which_tables_changed(pair: tuple[StateDatabase, StateDatabase]) -> None:
    one, other = pair
    moment = moment_of(other)
    for _ in range(20):
        add(one, "a")
    assert other.changes.unchanged_since(moment, B)
    assert not other.changes.unchanged_since(moment, A)
    moment = moment_of(one)
    add(other, "b")
    assert one.changes.unchanged_since(moment, A)
    assert not one.changes.unchanged_since(moment, B)


def test_quiet_changes_of_others_are_quiet(
    pair: tuple[StateDatabase, StateDatabase], clock: Clock
) -> None:
    one, other = pair
    moment = moment_of(other)
    add(one, "a", quiet=True)
    assert other.changes.unchanged_since(moment, A)
    clock.now += SHOWN_AFTER_S
    assert not other.changes.unchanged_since(moment, A)
    assert other.changes.unchanged_since(moment, B)


def test_more_than_are_told_are_changes_of_everything(
    pair: tuple[StateDatabase, StateDatabase],
) -> None:
    one, other = pair
    moment = moment_of(other)
    for _ in range(shared_changes._SLOTS + 1):
        add(one, "a")
    assert not other.changes.unchanged_since(moment, B)


def test_a_program_that_tells_nothing_changes_everything(
    pair: tuple[StateDatabase, StateDatabase], path: Path
) -> None:
    one, other = pair
    moment = moment_of(other)
    add(one, "a")
    elsewhere(path)
    add(one, "a")
    assert not other.changes.unchanged_since(moment, B)


def test_a_commit_is_not_seen_before_it_is_told(
    pair: tuple[StateDatabase, StateDatabase], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = pair
    moment = moment_of(other)
    seen: list[int] = []
    commit = Session.commit

    def looked(session: Session) -> None:
        commit(session)
        seen.append(moment_of(other))

    monkeypatch.setattr(Session, "commit", looked)
    monkeypatch.setattr(shared_changes, "LONGEST_COMMIT_S", 3600.0)
    add(one, "a")
    assert seen == [moment]
    assert not other.changes.unchanged_since(moment, A)
    assert other.changes.unchanged_since(moment, B)


def test_who_is_killed_between_a_commit_and_its_telling_hides_it_for_a_moment_only(
    pair: tuple[StateDatabase, StateDatabase], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = pair
    moment = moment_of(other)
    monkeypatch.setattr(SharedChanges, "end", lambda *_: None)
    monkeypatch.setattr(shared_changes, "LONGEST_COMMIT_S", 3600.0)
    add(one, "a")
    assert moment_of(other) == moment
    monkeypatch.setattr(shared_changes, "LONGEST_COMMIT_S", 0.0)
    assert not other.changes.unchanged_since(moment, B)


def test_a_commit_that_fails_leaves_nothing_under_way(
    pair: tuple[StateDatabase, StateDatabase], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = pair
    moment = moment_of(other)
    monkeypatch.setattr(shared_changes, "LONGEST_COMMIT_S", 3600.0)

    def fail(_: Session) -> None:
        raise LookupError

    with monkeypatch.context() as patched:
        patched.setattr(Session, "commit", fail)
        with pytest.raises(LookupError):
            add(one, "b")
    elsewhere(path)
    assert not other.changes.unchanged_since(moment, B)


def test_another_process_reads_what_is_told(
    pair: tuple[StateDatabase, StateDatabase], path: Path
) -> None:
    one, _ = pair
    moment = moment_of(one)
    program = (
        "from sqlalchemy import text\n"
        "from novaql.server.platform.state.database import StateDatabase\n"
        f"d = StateDatabase('sqlite:///{path}'); m = d.changes.moment()\n"
        "with d.write(None) as s: s.execute(text('INSERT INTO a VALUES (5)'))\n"
        "assert d._shared is not None\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert one.changes.unchanged_since(moment, B)
    assert not one.changes.unchanged_since(moment, A)


def test_entries_count_whole_and_for_their_own_state_alone(tmp_path: Path) -> None:
    chance = random.Random(5)
    shared = SharedChanges(tmp_path / "changes")
    before, after = (chance.getrandbits(300) for _ in range(2))
    assert shared.after(before) is None
    commit = Commit(after, frozenset({"a", "b"}), quiet=True)
    shared.begin(before)
    assert shared.is_under_way(before)
    assert not shared.is_under_way(after)
    shared.end(before, commit)
    assert not shared.is_under_way(before)
    assert SharedChanges(tmp_path / "changes").after(before) == commit
    assert shared.after(before + (1 << 32)) is None
    long = Commit(after, frozenset(f"{n}" * 50 for n in range(40)), quiet=False)
    shared.end(before + 1, long)
    assert shared.after(before + 1) is None
    whole = (tmp_path / "changes").read_bytes()
    there = [at for at, byte in enumerate(whole) if byte]
    for at in range(there[0], there[-1] + 1):
        torn = bytearray(whole)
        torn[at] ^= 0x10
        (tmp_path / "torn").write_bytes(torn)
        assert SharedChanges(tmp_path / "torn").after(before) is None


def test_where_there_is_no_place_nothing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(os, "posix_fallocate", full)
    database = StateDatabase(f"sqlite:///{tmp_path / 'state.db'}")
    with database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE a (n INTEGER)")
    moment = moment_of(database)
    assert database._shared is None
    add(database, "a")
    assert not database.changes.unchanged_since(moment, A)
    database.close()


@pytest.mark.parametrize("seed", range(10))
def test_nobody_takes_old_for_new(
    pair: tuple[StateDatabase, StateDatabase], path: Path, seed: int
) -> None:
    """What two keep of tables is compared with what the tables hold, whoever changed them."""
    chance = random.Random(seed)
    kept: list[dict[str, tuple[int, int]]] = [{}, {}]
    told_again = 0

    def count(database: StateDatabase, name: str) -> int:
        with database.read(None) as session:
            return int(session.execute(text(f"SELECT count(*) FROM {name}")).scalar_one())

    for _ in range(300):
        which, name = chance.randrange(2), chance.choice(TABLES)
        database = pair[which]
        what = chance.random()
        if what < 0.25:
            add(database, name)
        elif what < 0.28:
            elsewhere(path)
        elif what < 0.3:
            with suppress(LookupError), database.write(None) as session:
                session.execute(text(f"INSERT INTO {name} VALUES (1)"))
                raise LookupError
        else:
            was = kept[which].get(name)
            if was is not None and database.changes.unchanged_since(was[0], {name, "n"}):
                told_again += 1
                assert was[1] == count(database, name)
            moment = moment_of(database)
            kept[which][name] = moment, count(database, name)
    assert told_again > 30
