"""Edges discovered from metrics of calls between services."""

from __future__ import annotations

from datetime import UTC, datetime

from novaql.server.query.measure import Meter
from novaql.server.services.graph import Edge

DISCOVERED = "max by (client, server) (ts_of_last_over_time({selector}[1h]))"
"""The last sample of each pair, in Unix seconds."""

LONGEST_NAME = 255


def discovered(meter: Meter, selector: str) -> list[Edge]:
    """The pairs of `client` and `server` labels of a counter of calls in the last hour.

    selector  selects the counter; service meshes and tracing gateways export one

    Pairs with a longer name than a host can have are left out, with a warning: the answer repeats
    names for each edge.
    """
    found, too_long = [], 0
    for labels, seconds in meter.vector(DISCOVERED.format(selector=selector)):
        client, server = labels.get("client", ""), labels.get("server", "")
        if max(len(client), len(server)) > LONGEST_NAME:
            too_long += 1
        elif client and server:
            seen = datetime.fromtimestamp(seconds, UTC)
            found.append(Edge(client, server, "discovered", seen))
    if too_long:
        pairs = "1 edge is" if too_long == 1 else f"{too_long} edges are"
        meter.warnings.append(
            f"{pairs} left out: names of services have at most {LONGEST_NAME} characters"
        )
    return found
