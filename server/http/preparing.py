"""Work on a request before its transaction begins: parsing, checks, look-ups of names.

A writing transaction blocks every other writer, so slow work runs before it. That work has a pool
of threads, which tenants share in turn, and a deadline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

from novaql import Cancellation
from novaql.server.db.unit import Actor, Origin, Unit
from novaql.server.errors import Impossible
from novaql.server.tenants.context import ServerContext

Found = TypeVar("Found")
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
    actor: Actor
    origin: Origin
    began_s: float
    cancellation: Cancellation

    def checkpoint(self) -> None:
        """Let other tenants and small queries run first. Raises `Impossible` `check_timeout` after
        the deadline. Call it between two pieces of work."""
        if self.cancellation.cancelled or monotonic() - self.began_s > LONGEST_S:
            raise Impossible(
                f"checking the request took longer than {LONGEST_S:g} s", code="check_timeout"
            )

    @contextmanager
    def read(self) -> Iterator[Unit]:
        """Begin a read-only transaction. The later writing transaction may see other rows."""
        with self.context.unit(self.actor, self.origin, writes=False) as unit:
            yield unit


Prepare = Callable[[Preparation], Any]
