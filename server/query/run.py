"""Run queries in worker threads, within the server's limits."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from starlette.requests import Request

from novaql import Cancellation, Limits, NovaqlError, QueryOptions, Result, evaluate
from novaql.evaluator import Estimate, Profile
from novaql.server.http.request import context_of
from novaql.server.pools.query_workers import TooLargeHere
from novaql.server.pools.tiny_queries import Admit
from novaql.server.tenants.context import ServerContext

Answer = TypeVar("Answer")

SMALL_SAMPLES, SMALL_SERIES = 1_000_000, 20_000
"""Limits of a small query: samples and series that it reads, in some milliseconds."""

SMALL_DECODED = 4 * SMALL_SAMPLES
"""The limit of samples if all of them are arrays in memory: to decode takes most of the time."""

SMALL_BYTES = 32 << 20
"""Limit of a small query: memory in bytes."""

_USUAL_BYTES = Limits().bytes

SMALL_WORK = 4_000_000
"""Limit of a small query: values that its operators process."""


async def run_query(
    request: Request,
    text: str,
    options: QueryOptions,
    shape: Callable[[Result], Answer],
    *,
    form: Hashable = None,
    cached: bool = True,
    profile: Profile | None = None,
) -> Answer:
    """Evaluate a query and apply `shape` to the result.

    form     what `shape` makes, if it makes different things of one result
    cached   read and fill the result cache
    profile  receives the cost of each operator

    The server's limits apply to the options. Raises `Busy` and the errors of `novaql.evaluate`.
    """
    context = context_of(request)

    def run(cancellation: Cancellation, admit: Admit | None) -> Answer:
        bounded = within_budget(context, options, cancellation)
        cache = context.caches.results if cached else None
        result = evaluate(
            text,
            context.store,
            bounded,
            cancellation=cancellation,
            cache=cache,
            admit=admit,
            profile=profile,
        )
        context.telemetry.query_samples.inc(result.stats.samples)
        return shape(result)

    steps = 0 if options.instant else (options.end_ms - options.start_ms) // options.step_ms
    key = text, steps, options.step_ms, form, cached, profile is not None
    return await run_queries(request, context, key, run, timeout_s=_timeout_s(context, options))


async def run_queries(
    request: Request,
    context: ServerContext,
    key: Hashable,
    work: Callable[[Cancellation, Admit | None], Answer],
    *,
    timeout_s: float,
) -> Answer:
    """Run work that has queries: on the event loop if its last run was tiny, otherwise in a thread,
    as a large query if one of them is large. Count its outcome.

    key   identifies the work of the tenant, apart from times
    work  passes the estimate of each query to its second argument
    """
    queries, tiny, name = context.pools.queries, context.pools.tiny, (context.tenant_id, key)
    at_once = partial(tiny.run, name, work) if tiny.knows(name) else None
    try:
        answer = await queries.run(
            request,
            lambda cancellation: tiny.observe(name, partial(work, cancellation), only_small),
            timeout_s=timeout_s,
            large=lambda cancellation: work(cancellation, None),
            at_once=at_once,
        )
    except NovaqlError as error:
        context.telemetry.queries.labels(type(error).__name__).inc()
        raise
    context.telemetry.queries.labels("ok").inc()
    return answer


def only_small(estimate: Estimate) -> None:
    """Raise `TooLargeHere` unless the query is small."""
    if (
        estimate.samples > (SMALL_DECODED if estimate.in_memory else SMALL_SAMPLES)
        or estimate.series > SMALL_SERIES
        or estimate.bytes > SMALL_BYTES
        or estimate.work > SMALL_WORK
    ):
        raise TooLargeHere


async def run_in_worker(request: Request, work: Callable[[], Answer]) -> Answer:
    """Run work that reads the store without a query (labels, series), under the same limits."""
    context = context_of(request)
    return await context.pools.queries.run(
        request, lambda _: work(), timeout_s=context.settings.query_timeout_s
    )


def within_budget(
    context: ServerContext, options: QueryOptions, cancellation: Cancellation | None = None
) -> QueryOptions:
    """Apply the server's limits to the options. The server's timeout caps a longer one.

    cancellation  ends a wait for memory
    """
    limits = limits_of(context, cancellation)
    return replace(options, timeout_s=_timeout_s(context, options), limits=limits)


def _timeout_s(context: ServerContext, options: QueryOptions) -> float:
    most = context.settings.query_timeout_s
    return most if options.timeout_s is None else min(options.timeout_s, most)


def limits_of(context: ServerContext, cancellation: Cancellation | None = None) -> Limits:
    """Limits of one query, and the memory pool in which it reserves memory."""
    settings, memory = context.settings, context.pools.query_memory
    tenant = "" if context.principal is None else context.principal.tenant_id
    return Limits(
        samples=settings.max_query_samples,
        # Prometheus limits the intervals between steps: one less than the steps.
        points=settings.max_query_points + 1,
        bytes=min(_USUAL_BYTES, memory.most_of_one),
        label_value_bytes=settings.max_label_value_bytes,
        shared=memory.of(tenant, cancellation),
    )
