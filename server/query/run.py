"""Run queries in worker threads, within the server's limits."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from starlette.requests import Request

from novaql import Cancellation, Limits, NovaqlError, QueryOptions, Result, evaluate
from novaql.evaluator import Profile
from novaql.server.http.request import context_of
from novaql.server.pools.query_sizes import Admit, Size
from novaql.server.tenants.context import ServerContext

Answer = TypeVar("Answer")

_USUAL_BYTES = Limits().bytes


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

    def run(cancellation: Cancellation, admit: Admit) -> Answer:
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
    work: Callable[[Cancellation, Admit], Answer],
    *,
    timeout_s: float,
) -> Answer:
    """Run work that has queries where the size of its last run puts it: on the event loop, or in a
    thread among the small or the large queries. Count its outcome.

    key   identifies the work of the tenant, apart from times
    work  passes the estimate of each query to its second argument
    """
    queries, sizes, name = context.pools.queries, context.pools.sizes, (context.tenant_id, key)
    size = sizes.of(name)
    try:
        answer = await queries.run(
            request,
            lambda cancellation: sizes.run_small(name, partial(work, cancellation)),
            timeout_s=timeout_s,
            large=lambda cancellation: sizes.run_large(name, partial(work, cancellation)),
            at_once=partial(sizes.run_tiny, name, work) if size is Size.TINY else None,
            is_large=size is Size.LARGE,
        )
    except NovaqlError as error:
        context.telemetry.queries.labels(type(error).__name__).inc()
        raise
    context.telemetry.queries.labels("ok").inc()
    return answer


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
