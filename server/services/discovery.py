"""Edges discovered from metrics of calls between services."""

from __future__ import annotations

from datetime import UTC, datetime

from novaql.server.query.measure import Meter
from novaql.server.services.graph import Edge

DISCOVERED = "max by (client, server) (ts_of_last_over_time({selector}[1h]))"
"""The last sample of each pair, in Unix seconds."""


def discovered(meter: Meter, selector: str) -> list[Edge]:
    """The pairs of `client` and `server` labels of a counter of calls in the last hour.

    selector  selects the counter; service meshes and tracing gateways export one
    """
    found = []
    for labels, seconds in meter.vector(DISCOVERED.format(selector=selector)):
        client, server = labels.get("client", ""), labels.get("server", "")
        if client and server:
            seen = datetime.fromtimestamp(seconds, UTC)
            found.append(Edge(client, server, "discovered", seen))
    return found
