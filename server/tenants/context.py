"""What one server is made of, for its endpoints to use."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from sqlalchemy.orm import Session

from novaql.export.matrix_json import KeptTexts
from novaql.result_cache import ResultCache
from novaql.server.auth.accounts import Accounts
from novaql.server.auth.rate_limits import Quota, Quotas, quota_plan
from novaql.server.auth.roles import Principal
from novaql.server.auth.starts import Starts
from novaql.server.auth.unknown_clients import Strangers
from novaql.server.cache.keys_in_flight import KeysInFlight
from novaql.server.cache.measurements import MeasurementCache
from novaql.server.cache.response_cache import ResponseCache
from novaql.server.clock import Clock
from novaql.server.crypto.sealing import SealingKeys
from novaql.server.db.engine import StateDatabase
from novaql.server.db.unit import Actor, Origin, Unit
from novaql.server.egress.dialer import Dialer
from novaql.server.pools.query_memory import QueryMemory
from novaql.server.pools.query_workers import QueryWorkers
from novaql.server.pools.threads import StateThreads
from novaql.server.pools.writers import Writers
from novaql.server.settings import Settings
from novaql.server.telemetry import Telemetry
from novaql.server.tenants.scrapes import Scrapes, no_scrapes
from novaql.server.tenants.store import Store
from novaql.server.tenants.stores import Stores

_MOST_VIEWS = 4096


@dataclass(frozen=True, slots=True)
class ServerContext:
    """The parts of a running server, as one request may see them.

    stores     every tenant's samples
    database   everything else that is kept
    accounts   who a token belongs to; None when authentication is off, and everyone is `anyone`
    keys       what secrets are sealed with, and signatures made
    quota_plan the quotas of each kind of endpoint
    dialer     for requests to others; never into a network that is not public
    starts     the order in which requests begin
    threads    for work on the database
    readers    for reading it alone
    outside    threads that wait for others: receivers of webhooks and the like
    measurers  likewise, where samples are measured for the answer
    query_memory   memory for queries, shared by tenants
    writers    threads that decode and store what is sent to us
    answers    answers to range queries that later ones use
    texts      … and their texts
    responses      answers to reads, under the version of what they depend on
    measurements   values for services and objectives, shared for a moment
    scrapes    the targets that this server scrapes now
    stopping   set when the server is told to stop: answers without an end are to end then
    event_types  every type of event that can be subscribed to
    wakers     called when a unit has added jobs
    principal  whose request it is; None outside of requests
    views      what `scoped` has made
    """

    settings: Settings
    stores: Stores
    database: StateDatabase
    accounts: Accounts | None
    anyone: Principal
    clock: Clock
    keys: SealingKeys
    quotas: Quotas
    quota_plan: Mapping[str, Sequence[Quota]]
    strangers: Strangers
    dialer: Dialer
    telemetry: Telemetry
    starts: Starts
    threads: StateThreads
    readers: StateThreads
    measurers: StateThreads
    outside: StateThreads
    workers: QueryWorkers
    query_memory: QueryMemory
    writers: Writers
    answers: ResultCache
    texts: KeptTexts
    responses: ResponseCache
    measurements: MeasurementCache
    scrapes: Scrapes = no_scrapes
    stopping: threading.Event = field(default_factory=threading.Event)
    started_at: float = field(default_factory=time.time)
    keys_in_flight: KeysInFlight = field(default_factory=KeysInFlight)
    event_types: frozenset[str] = frozenset()
    wakers: list[Callable[[], None]] = field(default_factory=list)
    principal: Principal | None = None
    views: dict[Principal, ServerContext] = field(default_factory=dict, repr=False)

    def scoped(self, principal: Principal) -> ServerContext:
        """The server as a principal sees it: store, units and limits are their tenant's."""
        found = self.views.get(principal)
        if found is None:
            if len(self.views) > _MOST_VIEWS:
                self.views.clear()
            found = replace(self, principal=principal)
            if principal.limits:
                found = found._limited(self.settings.within(principal.limits))
            self.views[principal] = found
        return found

    def _limited(self, settings: Settings) -> ServerContext:
        return replace(self, settings=settings, quota_plan=quota_plan(settings))

    @property
    def store(self) -> Store:
        """The samples of the request's tenant; there is no way from here to another's."""
        if self.principal is None:
            raise LookupError("outside of a request there is no tenant to have a store")
        return self.stores.of(self.principal.tenant_id)

    @property
    def tenant_id(self) -> str:
        """The tenant of the request."""
        if self.principal is None:
            raise LookupError("outside of a request there is no tenant")
        return self.principal.tenant_id

    def note_write(self) -> None:
        """The tenant's samples were changed by a request: figures from before count no longer."""
        if self.principal is not None:
            self.measurements.note_write(self.principal.tenant_id)

    @contextmanager
    def unit(self, actor: Actor, origin: Origin, *, writes: bool) -> Iterator[Unit]:
        """A unit of work in the tenant of the request; jobs it adds are looked at afterwards."""
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
        if unit.wakes:
            self.wake_jobs()

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[Session]:
        """A session in the tenant of the request, committed at the end of the block."""
        database, tenant = self.database, self.tenant_id
        with database.write(tenant) if writes else database.read(tenant) as session:
            yield session

    def wake_jobs(self) -> None:
        """Have the runner look for jobs that were added."""
        for wake in self.wakers:
            wake()

    def on_new_jobs(self, wake: Callable[[], None]) -> None:
        """Have somebody told whenever jobs were added."""
        self.wakers.append(wake)

    @staticmethod
    def actor_of(principal: Principal) -> Actor:
        """The person behind a token, as audit entries name them."""
        return Actor("user", principal.user_id, principal.user_name)
