"""Edges that metrics show: who called whom lately."""

from __future__ import annotations

from datetime import UTC, datetime

from novaql.server.query.measure import Meter
from novaql.server.services.graph import Edge

DISCOVERED = "max by (client, server) (ts_of_last_over_time({selector}[1h]))"
"""When a pair was last seen, in Unix seconds."""


def discovered(meter: Meter, selector: str) -> list[Edge]:
    """The pairs of `client` and `server` labels that a counter of calls has had within the hour.

    selector  of that counter; service meshes and tracing gateways write one
    """
    found = []
    for labels, seconds in meter.vector(DISCOVERED.format(selector=selector)):
        client, server = labels.get("client", ""), labels.get("server", "")
        if client and server:
            seen = datetime.fromtimestamp(seconds, UTC)
            found.append(Edge(client, server, "discovered", seen))
    return found
