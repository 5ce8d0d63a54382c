"""Creates a server's context from settings."""

from __future__ import annotations

import logging

from novaql import ArgumentError, ResultCache, __version__
from novaql.server.addresses import parse_networks, parse_server
from novaql.server.auth.access import Access
from novaql.server.auth.accounts import Accounts
from novaql.server.auth.bootstrap import correct_first_place, ensure_first_tenant
from novaql.server.auth.rate_limits import open_quotas, quota_plan
from novaql.server.auth.roles import Principal, Role
from novaql.server.auth.starts import Starts
from novaql.server.auth.unknown_clients import UnauthenticatedRateLimit
from novaql.server.cache.caches import Caches
from novaql.server.cache.measurements import MeasurementCache
from novaql.server.cache.response_cache import ResponseCache
from novaql.server.clock import Clock
from novaql.server.crypto.sealing import SealingKeys
from novaql.server.db.engine import StateDatabase
from novaql.server.db.master_keys import open_keys, passing_keys
from novaql.server.db.rows import Tenant
from novaql.server.egress.dialer import Dialer
from novaql.server.egress.names import resolver_at
from novaql.server.pools.pools import Pools
from novaql.server.pools.query_memory import QueryMemory, memory_for_queries
from novaql.server.pools.query_sizes import QuerySizes
from novaql.server.pools.query_workers import QueryWorkers
from novaql.server.pools.threads import StateThreads, readers_of
from novaql.server.pools.writers import Writers
from novaql.server.settings import Settings
from novaql.server.telemetry import Telemetry
from novaql.server.tenants.context import ServerContext
from novaql.server.tenants.opening import (
    cache_budget,
    open_clock,
    open_executors,
    open_state,
    open_store,
    open_stores,
)
from novaql.server.tenants.scrapes import Scrapes
from novaql.server.tenants.store import Store
from novaql.server.tenants.stores import Stores, not_here
from novaql.server.tuning import USUAL, Tuning
from novaql.server.versions import CURRENT
from novaql.tsdb import CacheBudget

log = logging.getLogger(__name__)


def assemble(
    settings: Settings,
    *,
    store: Store | None,
    database: StateDatabase | None,
    clock: Clock | None,
    scrapes: Scrapes,
    owned_elsewhere: bool = False,
    tuning: Tuning = USUAL,
) -> ServerContext:
    """Create the parts of a server. An argument None: open what the settings name.

    Afterwards the first tenant exists and its store is open, unless another process owns the
    stores.
    """
    # The store comes first: it creates its directory, and rejects one with other contents.
    budget = cache_budget(settings)
    opens = store is None and not owned_elsewhere
    own = open_store(settings, budget=budget) if opens else None
    try:
        return _around(settings, store or own, database, clock, scrapes, tuning, budget)
    except BaseException:
        if own is not None:
            own.close()
        raise


def _around(
    settings: Settings,
    first: Store | None,
    database: StateDatabase | None,
    clock: Clock | None,
    scrapes: Scrapes,
    tuning: Tuning,
    budget: CacheBudget,
) -> ServerContext:
    state = open_state(settings) if database is None else database
    time = open_clock(settings) if clock is None else clock
    tenant = ensure_first_tenant(state, time)
    given = {} if first is None else {tenant.id: first}
    if tenant.store and first is not None:
        if (settings.data / tenant.store).is_dir():
            first.close()
            given = {}
        elif not state.is_fallback:
            correct_first_place(state, tenant.id)
    resolver = resolver_at(parse_server(settings.dns_server, 53) if settings.dns_server else None)
    stores = Stores(not_here) if first is None else open_stores(settings, state, given, budget)
    telemetry = Telemetry(__version__, stores.stats)
    return ServerContext(
        settings=settings,
        clock=time,
        database=state,
        keys=_keys(settings, state),
        stores=stores,
        dialer=Dialer(parse_networks(settings.egress_allow), resolver),
        telemetry=telemetry,
        access=_access(settings, state, time, tenant),
        pools=_pools(settings, state, telemetry, tuning),
        caches=Caches(
            results=ResultCache(settings.result_cache_bytes),
            responses=ResponseCache(settings.response_cache_bytes),
            measurements=MeasurementCache(settings.slo_cache_ttl_s),
        ),
        scrapes=scrapes,
        executors=open_executors(settings),
        tuning=tuning,
    )


def _access(settings: Settings, state: StateDatabase, time: Clock, tenant: Tenant) -> Access:
    return Access(
        accounts=Accounts(state, time) if settings.auth else None,
        default_principal=Principal(
            id="anyone",
            name="authentication is off",
            role=Role.ADMIN,
            api_version=CURRENT,
            tenant_id=tenant.id,
            tenant_name=tenant.name,
            user_id="anyone",
            user_name="anyone",
        ),
        quotas=open_quotas(state, time),
        quota_plan=quota_plan(settings),
        unauthenticated_limit=UnauthenticatedRateLimit(settings.auth_failures_per_minute),
        # More than there are threads for queries: requests that wait for a thread count, too, and a
        # few slow requests of a tenant must not delay its cached answers.
        starts=Starts(most=max(8, 2 * settings.query_threads)),
    )


def _pools(settings: Settings, state: StateDatabase, telemetry: Telemetry, tuning: Tuning) -> Pools:
    return Pools(
        state=StateThreads(),
        readers=StateThreads(threads=readers_of(state)),
        measurers=StateThreads(threads=2),
        outside=StateThreads(threads=8, queue=128),
        queries=QueryWorkers(threads=settings.query_threads, queue=settings.query_queue),
        sizes=QuerySizes(telemetry, tuning),
        query_memory=QueryMemory(memory_for_queries(settings)),
        ingest=Writers(
            threads=2, capacity=settings.write_queue, octets=settings.write_memory_bytes
        ),
    )


def _keys(settings: Settings, state: StateDatabase) -> SealingKeys:
    """Return the master keys. Without them, a server without authentication runs read-only."""
    if state.ends_with_process:
        return passing_keys()
    try:
        return open_keys(settings, state)
    except ArgumentError as problem:
        if settings.auth:
            raise
        log.warning("%s; changes of anything but samples are refused", problem)
        state.refuse_changes("the server runs without its master key")
        return passing_keys()


def close(context: ServerContext) -> None:
    """Write all data that is only in memory, and close everything."""
    context.pools.close()
    if context.access.accounts is not None:
        context.access.accounts.write_uses()
    context.access.quotas.close()
    context.stores.close()
    context.database.close()
