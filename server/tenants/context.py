"""The parts of one server, for its endpoints."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field, replace

from sqlalchemy.orm import Session

from novaql.fast_dataclass import dataclass
from novaql.server.auth.access import Access
from novaql.server.auth.rate_limits import quota_plan
from novaql.server.auth.roles import Principal
from novaql.server.cache.caches import Caches
from novaql.server.clock import Clock
from novaql.server.crypto.sealing import SealingKeys
from novaql.server.db.engine import StateDatabase
from novaql.server.db.unit import Actor, Origin, Unit
from novaql.server.egress.dialer import Dialer
from novaql.server.executors import NO_EXECUTORS, Executors
from novaql.server.pools.pools import Pools
from novaql.server.settings import Settings
from novaql.server.telemetry import Telemetry
from novaql.server.tenants.scrapes import Scrapes, no_scrapes
from novaql.server.tenants.store import Store
from novaql.server.tenants.stores import Stores
from novaql.server.tuning import USUAL, Tuning

_MOST_VIEWS = 4096


@dataclass(slots=True)
class Lifecycle:
    """The lifecycle of a server, and its callbacks.

    started_at    seconds since 1970
    stopping      set when the server is to stop: it ends endless answers
    job_wakers    called when a unit of work has added jobs
    event_wakers  called when a unit of work has published events
    event_types   those that a webhook can subscribe to; set with the control plane
    """

    started_at: float = field(default_factory=time.time)
    stopping: threading.Event = field(default_factory=threading.Event)
    job_wakers: list[Callable[[], None]] = field(default_factory=list)
    event_wakers: list[Callable[[], None]] = field(default_factory=list)
    event_types: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ServerContext:
    """The parts of a running server, as far as one request may use them.

    database     the state database: everything but samples
    keys         seal secrets, and sign
    stores       every tenant's samples
    dialer       connects to other systems, never in a network that is not public
    scrapes      the current scrape targets of this server
    executors    programs that script steps can run; `tenant_executors`: those of the tenant
    tuning       limits of the work on one request
    principal    of the request; None outside of requests
    views        the results of `scoped`, by the principal's id, or that of its session
    """

    settings: Settings
    clock: Clock
    database: StateDatabase
    keys: SealingKeys
    stores: Stores
    dialer: Dialer
    telemetry: Telemetry
    access: Access
    pools: Pools
    caches: Caches
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    scrapes: Scrapes = no_scrapes
    executors: Executors = NO_EXECUTORS
    tuning: Tuning = USUAL
    principal: Principal | None = None
    views: dict[str, ServerContext] = field(default_factory=dict, repr=False)

    def scoped(self, principal: Principal) -> ServerContext:
        """Return the server for a principal, with store, units and limits of its tenant."""
        key = principal.session_id or principal.id
        found = self.views.get(key)
        if found is None or (found.principal is not principal and found.principal != principal):
            if len(self.views) > _MOST_VIEWS:
                self.views.clear()
            found = replace(self, principal=principal)
            if principal.limits:
                found = found._limited(self.settings.within(principal.limits))
            self.views[key] = found
        return found

    def _limited(self, settings: Settings) -> ServerContext:
        access = replace(self.access, quota_plan=quota_plan(settings))
        return replace(self, settings=settings, access=access)

    @property
    def store(self) -> Store:
        """The samples of the request's tenant; no other tenant's are accessible."""
        if self.principal is None:
            raise LookupError("outside of a request there is no tenant to have a store")
        return self.stores.of(self.principal.tenant_id)

    @property
    def samples_version(self) -> int:
        """Grows with each change of the tenant's samples; 0: its store is not open yet. Returns at
        once."""
        return self.store.version if self.stores.is_open(self.tenant_id) else 0

    @property
    def tenant_id(self) -> str:
        """The tenant of the request."""
        if self.principal is None:
            raise LookupError("outside of a request there is no tenant")
        return self.principal.tenant_id

    @property
    def event_types(self) -> frozenset[str]:
        """Every type of event that a webhook can subscribe to."""
        return self.lifecycle.event_types

    @property
    def tenant_executors(self) -> Executors:
        """The programs that script steps of the tenant can run, in requests and in jobs."""
        if self.principal is None:
            raise LookupError("outside of a request there is no tenant to have executors")
        return self.executors.for_tenant(self.principal.tenant_name)

    def note_write(self) -> None:
        """Invalidate measurements of the tenant's samples, because a request has changed them."""
        if self.principal is not None:
            self.caches.measurements.note_write(self.principal.tenant_id)

    @contextmanager
    def unit(self, actor: Actor, origin: Origin, *, writes: bool) -> Iterator[Unit]:
        """Begin a unit of work in the tenant of the request. Call `wake` after the commit."""
        if self.principal is None:
            raise LookupError("outside of a request there is no tenant to work for")
        with self.transaction(writes=writes) as session:
            unit = Unit(
                session,
                self.clock,
                self.keys,
                self.settings,
                self.principal.tenant_id,
                self.principal.tenant_name,
                actor,
                origin,
            )
            yield unit
        self.wake(unit)

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[Session]:
        """Begin a session in the tenant of the request; it commits at the end of the block."""
        database, tenant = self.database, self.tenant_id
        with database.write(tenant) if writes else database.read(tenant) as session:
            yield session

    def wake(self, unit: Unit) -> None:
        """Wake the runner if a unit has added jobs, and the relay if it has published events."""
        if unit.wakes:
            for wake in self.lifecycle.job_wakers:
                wake()
        if unit.publishes:
            for wake in self.lifecycle.event_wakers:
                wake()

    @staticmethod
    def actor_of(principal: Principal) -> Actor:
        """Return the owner of a token, in the form of audit entries."""
        return Actor("user", principal.user_id, principal.user_name)
