"""Work on a request before its transaction begins: parsing, checks, look-ups of names.

A writing transaction blocks every other writer, so slow work runs before it. That work has a pool
of threads, which tenants share in turn, and a deadline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from time import monotonic
from typing import Any, TypeVar

from starlette.requests import Request

from novaql import Cancellation
from novaql.fast_dataclass import dataclass
from novaql.server.db.unit import Unit
from novaql.server.errors import Impossible
from novaql.server.http.dependencies import usable
from novaql.server.http.request import context_of, unit_for
from novaql.server.tenants.context import ServerContext

Checked = TypeVar("Checked")
LONGEST_S = 10.0
"""The deadline of the preparation of one request, in seconds."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """A request before its transaction.

    context  the server, scoped to the tenant
    body     the body, as the model that the endpoint declares
    names    the parameters of the path
    began_s  the time at which it began, of `monotonic`
    """

    context: ServerContext
    body: Any
    names: Mapping[str, str]
    request: Request
    began_s: float
    cancellation: Cancellation

    def checkpoint(self) -> None:
        """Let other tenants and small queries run first. Raises `Impossible` `check_timeout` after
        the deadline. Call it between two pieces of work."""
        if self.cancellation.cancelled or monotonic() - self.began_s > LONGEST_S:
            raise Impossible(
                f"checking the request took longer than {LONGEST_S:g} s", code="check_timeout"
            )

    def read(self) -> AbstractContextManager[Unit]:
        """Begin a read-only transaction. The later writing transaction may see other rows."""
        return unit_for(self.request, writes=False)


async def checked(request: Request, body: Any, check: Callable[[Preparation], Checked]) -> Checked:
    """Run `check` in a thread of the pool for checks, with a deadline, and return its result.
    Tenants take turns.

        async def checked_rule(request: Request, body: CreateRule) -> Rule:
            return await checked(request, body, check_rule)

    Raises what `check` raises, and `Busy` if too many checks wait.
    """
    context = context_of(request)
    names = {name: usable(text) for name, text in request.path_params.items()}

    def run(cancellation: Cancellation) -> Checked:
        return check(Preparation(context, body, names, request, monotonic(), cancellation))

    return await context.pools.queries.check(request, run)
