"""Dependencies that check a request before its transaction begins (`http/preparing.py`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any, TypeVar

from starlette.requests import Request

from novaql import Cancellation
from novaql.server.http.dependencies import usable
from novaql.server.http.preparing import Preparation
from novaql.server.http.request import context_of, origin_of, principal_of

Checked = TypeVar("Checked")


async def checked(request: Request, body: Any, check: Callable[[Preparation], Checked]) -> Checked:
    """Run `check` in a thread of the pool for checks, with a deadline, and return its result.
    Tenants take turns.

        async def checked_rule(request: Request, body: CreateRule) -> Rule:
            return await checked(request, body, check_rule)

    Raises what `check` raises, and `Busy` if too many checks wait.
    """
    return await context_of(request).pools.queries.check(
        request, partial(_run, request, body, check)
    )


def _run(
    request: Request,
    body: Any,
    check: Callable[[Preparation], Checked],
    cancellation: Cancellation,
) -> Checked:
    context = context_of(request)
    return check(
        Preparation(
            context,
            body,
            {name: usable(text) for name, text in request.path_params.items()},
            context.actor_of(principal_of(request)),
            origin_of(request),
            monotonic(),
            cancellation,
        )
    )
