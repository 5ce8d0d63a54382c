"""A request beside a transaction that has not committed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import httpx

from novaql.server.db.unit import Origin, Unit, system_actor
from tests.support.servers.http_server import LocalServer

WAIT_S = 1.0
"""How long the request may take before the commit. If it waits for the transaction, it is answered
afterwards."""


def beside_unit(
    server: LocalServer, change: Callable[[Unit], Any], request: Callable[[], httpx.Response]
) -> httpx.Response:
    """Make a change in a unit of the first tenant, and send a request before the unit commits.
    Return its answer."""
    context = server.context.scoped(server.context.access.default_principal)
    with ThreadPoolExecutor(1) as pool:
        with context.unit(system_actor("test"), Origin("req_1"), writes=True) as unit:
            change(unit)
            unit.session.flush()
            sent = pool.submit(request)
            wait([sent], timeout=WAIT_S)
        return sent.result()
