"""A unit of work of a domain: a transaction, and all that a use case may do in it.

A unit is atomic: one transaction writes rows, the audit entry, events and jobs. Requests and jobs
both use units, so a use case serves either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import delete, insert, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session

from novaql.fast_dataclass import dataclass
from novaql.lazy_exports import lazy_module
from novaql.server.clock import Clock, rfc3339
from novaql.server.crypto.redaction import Snapshot, hidden, patch, shown_url
from novaql.server.crypto.sealing import CannotUnseal, SealingKeys, is_sealed
from novaql.server.db.batches import batches
from novaql.server.db.rows import Row, TenantRow
from novaql.server.db.tables import AuditEntry, Event, Job
from novaql.server.db.tenant_scope import by_id
from novaql.server.errors import VersionConflict, not_found
from novaql.server.ids import new_id
from novaql.server.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql
else:
    postgresql = lazy_module("sqlalchemy.dialects.postgresql")

AnyRow = TypeVar("AnyRow", bound=Row)


@dataclass(frozen=True, slots=True)
class Actor:
    """The author of a change: a user by a token, or the system by a job. `type` is `user` or
    `system`."""

    type: str
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a change: the request (or the job), and the client's address and program."""

    request_id: str
    ip: str | None = None
    user_agent: str | None = None


@dataclass(slots=True)
class Unit:
    """A transaction of one tenant.

    session  scoped to the tenant: reads and creates only its rows
    settings the tenant's settings, with its own limits
    audited  actions of the audit entries written so far
    wakes    whether the commit has to wake the runner for new jobs
    publishes  whether the commit has to wake the relay for new events
    """

    session: Session
    clock: Clock
    keys: SealingKeys
    settings: Settings
    tenant_id: str
    tenant_name: str
    actor: Actor
    origin: Origin
    audited: list[str] = field(default_factory=list)
    wakes: bool = False
    publishes: bool = False

    def now(self) -> datetime:
        """The time, to the millisecond."""
        return self.clock.now()

    def find(self, table: type[AnyRow], key: str, *, lock: bool = False) -> AnyRow | None:
        """Return the tenant's row with an id. `lock`: lock it until the unit ends, and read its
        current state even if the unit has read it before."""
        if not lock:
            return by_id(self.session, table, key)
        statement = select(table).where(table.id == key).with_for_update()
        current = statement.execution_options(populate_existing=True)
        return self.session.execute(current).scalar_one_or_none()

    def get(self, table: type[AnyRow], key: str, kind: str, *, lock: bool = False) -> AnyRow:
        """Like `find`, but raise the 404 `KIND_not_found`, the same for unknown ids and other
        tenants' ids."""
        row = self.find(table, key, lock=lock)
        if row is None:
            raise not_found(kind, key, self.tenant_name)
        return row

    def new(self, table: type[AnyRow], prefix: str, **columns: Any) -> AnyRow:
        """Return a new row with an id of this prefix. The caller adds it to the session."""
        return table(id=new_id(prefix), created_at=self.now(), **columns)

    def expect(self, row: Row, version: int | None) -> None:
        """Raise `VersionConflict` unless the row has the version that the client last read."""
        if version is None:
            remedy = "a change needs the version that it is based on: `version` or If-Match"
            raise VersionConflict(f"{row.id} has version {row.version}; {remedy}")
        if version != row.version:
            raise VersionConflict(
                f"{row.id} has version {row.version}, not {version}: read it again"
            )

    def insert(self, table: type[TenantRow], rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert many rows of the tenant by one statement. As objects they would take ten times as
        long, and delay other writers. Values are by column; no row may refer to a row that is not
        flushed yet.
        """
        if rows:
            own = [{"tenant_id": self.tenant_id, **row} for row in rows]
            self.session.connection().execute(insert(table), own)

    def touch(self, row: Row) -> None:
        """Increment the version of a row."""
        row.version += 1
        row.updated_at = self.now()

    def record(
        self,
        row: AnyRow,
        action: str,
        before: Snapshot | None,
        show: Callable[[AnyRow], Snapshot] | None = None,
        *,
        event: str | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> Snapshot:
        """Increment the version of a row, write its audit entry and publish its event. Return the
        row as the entry shows it.

        action  `noun.verb`; the noun is the type of the entry's target
        before  the result of `show` before the change; None: the row is new
        show    returns the row as JSON values; None: the row is deleted, and `before` is its last
                state
        event   the type of an event; its data is the row under the noun, and `more`
        """
        if before is not None:
            self.touch(row)
        after = None if show is None else show(row)
        noun = action.partition(".")[0]
        last = after if after is not None else before or {}
        published = None if event is None else (event, {noun: last, **(more or {})})
        self.audit(action, (noun, row.id), before=before, after=after, event=published)
        return last

    def audit(
        self,
        action: str,
        target: tuple[str, str],
        *,
        before: Snapshot | None = None,
        after: Snapshot | None = None,
        outcome: str = "success",
        event: tuple[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Write the audit entry of a change, and publish its event. `action` is `noun.verb`,
        `target` type and id. For a change of a row with a version: `record`.

        before, after  the resource as JSON values; this function redacts secrets
        event          type and data of an event besides `audit.ACTION`
        """
        shown_before, shown_after = hidden(before, after)
        entry_id, now = new_id("aud"), self.now()
        self.session.add(
            AuditEntry(
                id=entry_id,
                at=now,
                actor_type=self.actor.type,
                actor_id=self.actor.id,
                actor_name=self.actor.name,
                action=action,
                target_type=target[0],
                target_id=target[1],
                before=shown_before,
                after=shown_after,
                diff=patch(shown_before or {}, shown_after or {}),
                request_id=self.origin.request_id,
                ip=self.origin.ip,
                user_agent=self.origin.user_agent,
                outcome=outcome,
            )
        )
        self.audited.append(action)
        if outcome == "success":
            self.publish(
                f"audit.{action}",
                {
                    "id": entry_id,
                    "at": rfc3339(now),
                    "action": action,
                    "actor": asdict(self.actor),
                    "target": {"type": target[0], "id": target[1]},
                    "request_id": self.origin.request_id,
                },
            )
        if event is not None:
            self.publish(*event)

    def publish(self, type_: str, data: Mapping[str, Any]) -> str:
        """Publish an event of a type (`incident.created`). Return its id.

        The relay passes it to consumers after the commit, with effect exactly once. Flushes, so
        that rows have their defaults afterwards.
        """
        self.session.flush()
        now = self.now()
        event = Event(
            id=new_id("evt"),
            at=now,
            type=type_,
            data=dict(data),
            request_id=self.origin.request_id,
            next_at=now,
        )
        self.session.add(event)
        self.publishes = True
        return event.id

    def enqueue(
        self,
        kind: str,
        *,
        key: str | None = None,
        payload: Mapping[str, Any] | None = None,
        run_at: datetime | None = None,
    ) -> None:
        """Add a job that is due at a time (default: now).

        key  the subject of the job. A kind has one job for each key: a second call changes its time
             and payload. None: a separate job
        """
        at = self.now() if run_at is None else run_at
        if key is None:
            self._add_job(kind, new_id("job"), at, payload)
        else:
            self.enqueue_all(kind, {key: at}, payload)

    def enqueue_all(
        self, kind: str, times: Mapping[str, datetime], payload: Mapping[str, Any] | None = None
    ) -> None:
        """Like `enqueue` for many keys, each with its time, and one payload."""
        missing = dict(times)
        for job in self.lock_jobs(kind, times):
            job.run_at, job.set_at = missing.pop(job.key), self.now()
            job.payload, job.attempts = dict(payload or {}), 0
        if missing:
            self._insert_jobs(kind, missing, payload)
        self.wakes = self.wakes or bool(times)

    def lock_jobs(self, kind: str, keys: Iterable[str]) -> list[Job]:
        """Lock jobs until the unit ends.

        A job that ends locks its own row before the rows that it changes. Units that change the
        same rows, and enqueue or cancel the job, call this method first.
        """
        found: list[Job] = []
        for some in batches(sorted(keys)):
            wanted = select(Job).where(Job.kind == kind, Job.key.in_(some)).order_by(Job.key)
            found += self.session.execute(wanted.with_for_update()).scalars()
        return found

    def _insert_jobs(
        self, kind: str, times: Mapping[str, datetime], payload: Mapping[str, Any] | None
    ) -> None:
        """Insert jobs with keys. On PostgreSQL, another unit may have just inserted one."""
        now = self.now()
        common = {
            "tenant_id": self.tenant_id,
            "kind": kind,
            "payload": dict(payload or {}),
            "attempts": 0,
            "created_at": now,
            "set_at": now,
        }
        rows = [
            {**common, "id": new_id("job"), "key": key, "run_at": at}
            for key, at in sorted(times.items())
        ]
        on_postgresql = self.session.get_bind().dialect.name == "postgresql"
        statement = postgresql.insert(Job) if on_postgresql else sqlite.insert(Job)
        changed = ("run_at", "set_at", "payload", "attempts")
        upsert = statement.on_conflict_do_update(
            index_elements=["tenant_id", "kind", "key"],
            set_={name: statement.excluded[name] for name in changed},
        )
        self.session.connection().execute(upsert, rows)

    def _add_job(
        self, kind: str, key: str, run_at: datetime, payload: Mapping[str, Any] | None
    ) -> None:
        now = self.now()
        job = Job(id=new_id("job"), kind=kind, key=key, payload=dict(payload or {}), attempts=0)
        job.created_at, job.run_at, job.set_at = now, run_at, now
        self.session.add(job)
        self.wakes = True

    def cancel(self, kind: str, keys: Sequence[str]) -> None:
        """Delete jobs. A job that runs now loses its lease, and its changes roll back."""
        for some in batches(keys):
            self.session.execute(delete(Job).where(Job.kind == kind, Job.key.in_(some)))

    def seal(self, secret: str, place: str) -> str:
        """Encrypt a secret for a column. `place` names it: `webhook:wh_…:secret`."""
        return self.keys.seal(secret, purpose=f"{self.tenant_id}:{place}")

    def unseal(self, sealed: str, place: str) -> str:
        """Decrypt a secret. Raises `CannotUnseal`."""
        return self.keys.unseal(sealed, purpose=f"{self.tenant_id}:{place}")

    def seal_url(self, url: str, place: str, current: str = "") -> str:
        """Seal a write-only URL for a column. Return `current` itself if it is the same URL."""
        same = current and self.open_url(current, place) == url
        return current if same else self.seal(url, place)

    def open_url(self, sealed: str, place: str) -> str:
        """Return the URL in a sealed text. A URL that an earlier version stored unencrypted is
        returned as it is; the next start with a writable database seals it. Raises `CannotUnseal`.
        """
        return self.unseal(sealed, place) if is_sealed(sealed) else sealed

    def shown_url(self, sealed: str, place: str) -> str:
        """Return scheme and host of a write-only URL. Answers, events and logs show only these."""
        try:
            return shown_url(self.open_url(sealed, place))
        except CannotUnseal:  # the server runs without its keys and is read-only
            return shown_url("")


def system_actor(job_kind: str) -> Actor:
    """Return the actor of a job: the system, with the kind of job."""
    return Actor("system", job_kind, "system")
