"""Makes the elements invisible that a script of the driver cannot reach: closed shadow roots."""

from __future__ import annotations

from typing import Any

from novaql.server.probes.browser import scripts
from novaql.server.probes.browser.cdp import CommandFailed, Connection


def hide_closed_roots(connection: Connection, world: int) -> None:
    """Make the hosts of all closed shadow roots of the page invisible.

    world  the context in which `scripts.UNMASK` finds them. Those in frames remain invisible.
    """
    document = connection.call("DOM.getDocument", {"depth": -1, "pierce": True})["root"]
    for host in _closed_hosts(document):
        try:
            found = connection.call(
                "DOM.resolveNode", {"backendNodeId": host, "executionContextId": world}
            )
        except CommandFailed:
            found = connection.call("DOM.resolveNode", {"backendNodeId": host})
        connection.call(
            "Runtime.callFunctionOn",
            {
                "objectId": found["object"]["objectId"],
                "functionDeclaration": scripts.HIDE_THIS,
            },
        )


def _closed_hosts(document: dict[str, Any]) -> list[int]:
    found: list[int] = []
    nodes = [document]
    while nodes:
        node = nodes.pop()
        roots = node.get("shadowRoots", ())
        if any(root.get("shadowRootType") == "closed" for root in roots):
            found.append(node["backendNodeId"])
        nodes += [*roots, *node.get("children", ())]
        if "contentDocument" in node:
            nodes.append(node["contentDocument"])
    return found
