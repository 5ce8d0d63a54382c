"""Connections and transactions, with one interface for SQLite and PostgreSQL."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DatabaseError, DataError, IntegrityError, OperationalError
from sqlalchemy.orm import Session

from novaql.server.db.readonly_fallback import need_writable
from novaql.server.db.row_versions import VERSIONS_OF, RowVersions, bump
from novaql.server.db.sqlite_versions import SqliteVersions
from novaql.server.db.tables_used import TablesUsed, begin_noting, watch
from novaql.server.db.tenant_scope import scope
from novaql.server.db.texts import json_text, json_value
from novaql.server.errors import InvalidRequest, ServerError, Unavailable

Durability = Literal["full", "relaxed"]
_VERSIONS_OF = text(VERSIONS_OF.replace("?", ":tenant"))

_BUSY_MS = 30_000
"""How long a SQLite writer waits for the transaction of another process."""

RETRY_AFTER_S = 1
"""The interval between attempts to use a database that has failed."""

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_OF_THE_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR)
_TOO_LARGE = "54000"
"""PostgreSQL: a value exceeds a limit, for example of an index entry."""

_CONNECTION_ENDED = ("08", "57P")
"""PostgreSQL: first characters of states that end a connection, for example at a shutdown."""

_USED = "tables_used"
_COMMON: dict[str, Any] = {
    "pool_size": 24,
    "max_overflow": 8,
    "json_serializer": json_text,
    "json_deserializer": json_value,
    "hide_parameters": True,  # omits values of rows, including secrets, from errors and logs
}
log = logging.getLogger(__name__)


class StateDatabase:
    """A database and its units of work. Thread-safe.

    A unit is a transaction: it commits when its block ends, and rolls back if an exception leaves
    the block. Over SQLite a writing unit acquires the write lock when it begins (BEGIN IMMEDIATE),
    so it cannot fail later because the lock is taken. Writers of this process wait in a queue.

    If the disk of a SQLite database is full or read-only, a copy replaces the database for reads.
    Units that write raise `Unavailable`, except those of `relaxed` durability, whose changes are
    lost. Each writing unit first retries the database itself, so service resumes as soon as the
    disk works.

    url       `sqlite:////path/state.db`, or `postgresql+psycopg://user@host/name`
    durable   False: a power failure may lose the last transactions (a killed process loses none)
    fallback  a copy of the SQLite database at `url`, used until that one works
    prepare   called with an engine of the database at `url` before that one replaces the copy
    busy_ms   the longest wait for the lock of a SQLite database
    """

    def __init__(
        self,
        url: str | URL,
        *,
        durable: bool = True,
        fallback: Path | None = None,
        prepare: Callable[[Engine], None] = lambda _: None,
        busy_ms: int = _BUSY_MS,
    ) -> None:
        self.url = _with_driver(make_url(url))
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.is_fallback = fallback is not None
        self.may_come_back = True
        self.ends_with_process = False
        self._why_unchanged = "the disk is full or read-only"
        self._durable = durable
        self._busy_ms = busy_ms
        self._prepare = prepare
        self._turn = threading.Lock()
        self._tried_s = time.monotonic()
        used = self.url if fallback is None else self.url.set(database=str(fallback))
        self._engine = self._connected(used, durable=durable)
        self._relaxed = self._connected(used, durable=False) if self.is_sqlite else self._engine
        # A transaction of SQLite reads one state, but one of PostgreSQL only if asked to.
        isolated = self._engine.execution_options
        self._snapshots = None if self.is_sqlite else isolated(isolation_level="REPEATABLE READ")
        self._statements = None if self.is_sqlite else isolated(isolation_level="AUTOCOMMIT")
        self._versions = SqliteVersions()

    @staticmethod
    def shown(url: str | URL) -> str:
        """Return a URL without its password."""
        return make_url(url).render_as_string(hide_password=True)

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine, for migrations and inspection. Other code uses units of work."""
        return self._engine

    @contextmanager
    def read(self, tenant_id: str | None) -> Iterator[Session]:
        """Begin a unit that reads one consistent state. tenant_id None: all tenants, for the
        platform."""
        with (
            _as_unavailable(),
            (self._snapshots or self._engine).connect() as connection,
            self._session(connection, tenant_id) as session,
        ):
            yield session

    @contextmanager
    def write(
        self, tenant_id: str | None, *, durability: Durability = "full", visible: bool = True
    ) -> Iterator[Session]:
        """Begin a unit that writes; it commits when its block ends.

        durability  `relaxed`: a power failure may lose the last second; for counters
        visible     whether any answer depends on the changes; if so, the versions of the tables
                    increase
        """
        with self._turn if self.is_sqlite else nullcontext():
            if self.is_fallback and not self._came_back() and durability == "full":
                raise Unavailable(
                    f"nothing can be changed now: {self._why_unchanged}; try again later",
                    headers={"Retry-After": str(RETRY_AFTER_S)},
                )
            engine = self._engine if durability == "full" else self._relaxed
            immediate = engine.execution_options(immediate=True)
            with (
                _as_unavailable(),
                immediate.connect() as connection,
                self._session(connection, tenant_id) as session,
            ):
                before = _rows_changed(connection)
                yield session
                session.flush()
                changed = tables_used(session).changed
                if changed and visible and (before is None or before != _rows_changed(connection)):
                    bump(session, tenant_id, changed)
                session.commit()

    def refuse_changes(self, why: str) -> None:
        """Reject writing units until this process ends."""
        self.is_fallback, self.may_come_back, self._why_unchanged = True, False, why

    def try_to_come_back(self) -> None:
        """If a copy is in use, switch back to the database itself if that works again."""
        if self.is_fallback:
            with self._turn:
                self._came_back()

    def _came_back(self) -> bool:
        """Try to switch back, at most once a second. The caller holds the place of the writer."""
        if not self.is_fallback:
            return True
        now = time.monotonic()
        if not self.may_come_back or now - self._tried_s < RETRY_AFTER_S:
            return False
        self._tried_s = now
        engine = self._connected(self.url, durable=self._durable)
        try:
            need_writable(Path(self.url.database or ""))
            with engine.execution_options(immediate=True).begin():
                pass  # the files that SQLite needs now exist
            self._prepare(engine)
        except (OSError, OperationalError):
            engine.dispose()
            return False
        old = (self._engine, self._relaxed)
        self._engine = engine
        self._relaxed = self._connected(self.url, durable=False)
        self.is_fallback = False
        self._versions.forget()
        for one in old:
            one.dispose()
        log.warning("the server's database can be written again, and replaces its fallback")
        return True

    def versions_of(self, tenant_id: str) -> RowVersions | None:
        """Return the versions of the tenant's rows. Over SQLite the event loop may call it.

        None: they cannot be read now, and no cached value is valid.
        """
        if self._statements is None:
            return self._versions.of(self._engine.url.database or "", tenant_id)
        with _as_unavailable(), self._statements.connect() as connection:
            return self._versions_by(connection, tenant_id)

    def versions_in(self, session: Session, tenant_id: str) -> RowVersions:
        """Return the versions of a tenant's rows in a session over all tenants that `read` began:
        those of the rows that it reads."""
        return self._versions_by(session.connection(), tenant_id)

    def _versions_by(self, connection: Connection, tenant_id: str) -> RowVersions:
        generation = self._versions.generation
        rows = connection.execute(_VERSIONS_OF, {"tenant": tenant_id}).all()
        return RowVersions.of(generation, [(name, version) for name, version in rows])

    def check(self) -> None:
        """Raise `Unavailable` if the database does not answer."""
        with _as_unavailable(), self._engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close every connection."""
        self._versions.forget()
        self._engine.dispose()
        self._relaxed.dispose()
        self._versions.close()

    @contextmanager
    def _session(self, connection: Connection, tenant_id: str | None) -> Iterator[Session]:
        with Session(connection, expire_on_commit=False) as session:
            session.info[_USED] = begin_noting(connection)
            if tenant_id is not None:
                scope(session, tenant_id)
            yield session

    def _connected(self, url: URL, *, durable: bool) -> Engine:
        if not self.is_sqlite:
            import psycopg  # noqa: PLC0415 - a large driver, for one of the two databases

            log.debug("PostgreSQL by psycopg %s", psycopg.__version__)
            engine = create_engine(url, **_COMMON, pool_pre_ping=True)
            watch(engine)
            return engine
        arguments = {"timeout": self._busy_ms / 1000, "check_same_thread": False}
        engine = create_engine(url, **_COMMON, connect_args=arguments)
        watch(engine)

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, record: Any) -> None:  # noqa: ARG001 - the hook's signature
            # The hook below begins transactions. The driver would begin them too late.
            connection.isolation_level = None
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA busy_timeout = {self._busy_ms}")
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            immediate = connection.get_execution_options().get("immediate")
            driver = connection.connection.driver_connection
            assert driver is not None
            try:
                driver.execute("BEGIN IMMEDIATE" if immediate else "BEGIN")
            except sqlite3.OperationalError as problem:
                raise OperationalError("BEGIN", None, problem) from problem

        return engine


def _rows_changed(connection: Connection) -> int | None:
    """Return how many rows a SQLite connection has changed; None: PostgreSQL does not count them.

    A unit without changes must not write, because it may run on a full disk.
    """
    found = getattr(connection.connection.driver_connection, "total_changes", None)
    return found if isinstance(found, int) else None


def tables_used(session: Session) -> TablesUsed:
    """Return the tables that a unit of work has used so far."""
    used = session.info[_USED]
    assert isinstance(used, TablesUsed)
    return used


@contextmanager
def flushed_or(session: Session, refusal: ServerError) -> Iterator[None]:
    """Flush the changes of the block. If a row exists already, raise `refusal` instead.

    The unit is then as before the block, and can continue.
    """
    try:
        with session.begin_nested():
            yield
            session.flush()
    except IntegrityError:
        raise refusal from None


@contextmanager
def _as_unavailable() -> Iterator[None]:
    """Translate errors of the database. A locked, full, damaged or missing database is a 503
    without details.

    A value that the database rejects is a 400, because a retry would fail again.
    """
    try:
        yield
    except DatabaseError as problem:
        if isinstance(problem, DataError) or getattr(problem.orig, "sqlstate", "") == _TOO_LARGE:
            log.exception("the state database does not take a value")
            raise InvalidRequest(
                "a value is too long or too large for the server's database"
            ) from problem
        if not isinstance(problem, OperationalError) and not is_damage(problem):
            raise
        if is_damage(problem):
            log.error(  # noqa: TRY400 - the traceback adds nothing
                "the state database is damaged (%s); restart the server to see the way back",
                problem.orig,
            )
        elif getattr(problem.orig, "sqlite_errorcode", 0) & 0xFF in _OF_THE_DISK:
            log.warning("the state database cannot be written: %s", problem.orig)
        elif _is_unreachable(problem):
            reason = " ".join(str(problem.orig).split())
            log.error("the state database cannot be reached: %s", reason)  # noqa: TRY400
        else:
            log.exception("the state database failed")
        raise Unavailable(
            "the server's database cannot be used now; try again",
            headers={"Retry-After": str(RETRY_AFTER_S)},
        ) from problem


def _is_unreachable(problem: DatabaseError) -> bool:
    """Return whether PostgreSQL cannot be connected to, or has ended the connection. Every request
    fails then, so a traceback for each would fill the log."""
    # None: there was no answer with a state. Errors of SQLite have no such attribute.
    state = getattr(problem.orig, "sqlstate", "")
    return state is None or state.startswith(_CONNECTION_ENDED)


def is_damage(problem: BaseException) -> bool:
    """Return whether an error of SQLite means that the file is damaged."""
    code = getattr(getattr(problem, "orig", problem), "sqlite_errorcode", 0)
    return (code & 0xFF) in _DAMAGED


def _with_driver(url: URL) -> URL:
    """Select psycopg 3 as the driver of `postgresql://`."""
    if url.drivername in ("postgres", "postgresql"):
        return url.set(drivername="postgresql+psycopg")
    return url
