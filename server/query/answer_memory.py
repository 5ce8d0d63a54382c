"""The memory of an answer that no query makes, such as that to a remote read or a list of series.
It is reserved as that of queries is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from novaql import Cancellation, QueryCancelled
from novaql.evaluator import QueryMemory
from novaql.server.query.run import limits_of
from novaql.server.tenants.context import ServerContext

Reserve = Callable[[int], None]
"""Reserves bytes for the rest of the answer. Its calls are checkpoints of the work: it raises
`QueryCancelled` after the deadline, `LimitExceeded` and `Busy`."""


@contextmanager
def reserving(
    context: ServerContext, cancellation: Cancellation, purpose: str
) -> Iterator[Reserve]:
    """Yield a function that reserves memory until the block ends.

    purpose  names the answer in errors
    """
    limits = limits_of(context, cancellation)
    memory = QueryMemory(context.pools.query_memory.most_of_one, limits.shared)

    def reserve(size: int) -> None:
        if cancellation.cancelled:
            raise QueryCancelled("the query was cancelled")
        memory.keep(size, purpose)

    try:
        yield reserve
    finally:
        memory.finish(None)


def unlimited(_: int) -> None:
    """A `Reserve` for answers outside of a server."""
