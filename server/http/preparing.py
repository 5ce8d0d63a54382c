"""What a request needs before its transaction begins: parsing, checking, looking up names.

A transaction that writes holds up every other writer, so it does nothing that takes long. What does
is done before, in threads of their own that tenants share in turn, with a deadline.
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
"""How long the preparation of one request may take."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """A request before its transaction.

    context  the server, scoped to the tenant
    body     the body, as the model that the endpoint declares
    names    what stands in the path's braces
    began_s  of `monotonic`, when it began
    """

    context: ServerContext
    body: Any
    names: Mapping[str, str]
    actor: Actor
    origin: Origin
    began_s: float
    cancellation: Cancellation

    def checkpoint(self) -> None:
        """Between two pieces of work: other tenants and small queries go first, and what takes too
        long ends with `Impossible` `check_timeout`."""
        if self.cancellation.cancelled or monotonic() - self.began_s > LONGEST_S:
            raise Impossible(
                f"checking the request took longer than {LONGEST_S:g} s", code="check_timeout"
            )

    @contextmanager
    def read(self) -> Iterator[Unit]:
        """A transaction that only reads. What it finds may be different in the one that writes."""
        with self.context.unit(self.actor, self.origin, writes=False) as unit:
            yield unit


Prepare = Callable[[Preparation], Any]
