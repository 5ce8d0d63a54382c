"""query_async(): a query for programs of asyncio, such as web servers."""

from __future__ import annotations

import asyncio
from typing import Any

from novaql import opening, parameters
from novaql.cancellation import Cancellation
from novaql.parameters import Parameters
from novaql.query_text import QueryLike, query_text
from novaql.result import Result
from novaql.result_cache import ResultCache


async def query_async(
    expr: QueryLike,
    data: Any = None,
    *,
    cache: ResultCache | None = None,
    params: Parameters | None = None,
    **options: Any,
) -> Result:
    """Run `novaql.query` in a thread, with the same options, while the event loop continues.

    If the task is cancelled, the query ends at its next checkpoint. The thread is one of the event
    loop's default executor, which has few more threads than the machine has cores.
    """
    cancellation = Cancellation()

    def run() -> Result:
        with parameters.bound(query_text(expr), params) as bound:
            source, resolved, infos = opening.opened(bound.text, data, **options)
            return bound.result(
                opening.answer(
                    bound.text, source, resolved, infos, cache=cache, cancellation=cancellation
                )
            )

    try:
        return await asyncio.to_thread(run)
    except asyncio.CancelledError:
        cancellation.cancel()
        raise
