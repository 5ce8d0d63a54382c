"""The dependency graph: declared and discovered edges in one directed graph."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

from novaql.fast_dataclass import dataclass


class Direction(StrEnum):
    """Upstream services are the dependencies of a service; downstream services depend on it."""

    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"
    BOTH = "both"


class Kind(StrEnum):
    """A service of the catalog, or a name that occurs only in edges."""

    SERVICE = "service"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class Edge:
    """`source` depends on `target`.

    origin     "declared", "discovered", or "declared+discovered"
    last_seen  time of the last sample that shows it, or None
    """

    source: str
    target: str
    origin: str = "declared"
    last_seen: datetime | None = None


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """The part of the graph around one service.

    nodes      name → kind, by distance, then name; the service itself is first
    cycles     cycles among the nodes, each once, from its smallest name
    truncated  the graph continues beyond `depth` or the limit of nodes
    """

    nodes: Mapping[str, Kind]
    edges: tuple[Edge, ...]
    cycles: tuple[tuple[str, ...], ...]
    truncated: bool


def merged(declared: Iterable[Edge], discovered: Iterable[Edge]) -> tuple[Edge, ...]:
    """Merge edges to one for each pair of services, sorted. Its `origin` combines theirs."""
    found: dict[tuple[str, str], Edge] = {(e.source, e.target): e for e in declared}
    for edge in discovered:
        known = found.get((edge.source, edge.target))
        if known is None:
            found[edge.source, edge.target] = edge
            continue
        seen = [t for t in (known.last_seen, edge.last_seen) if t is not None]
        origin = known.origin if known.origin == edge.origin else "declared+discovered"
        found[edge.source, edge.target] = Edge(
            edge.source, edge.target, origin, max(seen, default=None)
        )
    return tuple(found[key] for key in sorted(found))


def neighbourhood(
    start: str,
    edges: Iterable[Edge],
    catalog: frozenset[str],
    *,
    direction: Direction = Direction.BOTH,
    depth: int | None = None,
    most_nodes: int = 500,
) -> Neighbourhood:
    """The nodes that are reachable from `start`, each once, even if the graph has cycles.

    The search walks each direction separately: services that only share a dependency are no
    neighbours.

    depth  most edges from `start`; None for no limit
    """
    every = tuple(edges)
    reached, truncated = {start: 0}, False
    if direction is not Direction.DOWNSTREAM:
        truncated |= _walk(start, _links(every, forward=True), depth, most_nodes, reached)
    if direction is not Direction.UPSTREAM:
        downstream = {start: 0}
        truncated |= _walk(start, _links(every, forward=False), depth, most_nodes, downstream)
        for name, distance in downstream.items():
            reached[name] = min(distance, reached.get(name, distance))
    ordered = sorted(reached, key=lambda name: (reached[name], name))
    if len(ordered) > most_nodes:
        ordered, truncated = ordered[:most_nodes], True
    names = frozenset(ordered)
    inside = tuple(e for e in every if e.source in names and e.target in names)
    return Neighbourhood(
        nodes={n: Kind.SERVICE if n in catalog else Kind.EXTERNAL for n in ordered},
        edges=inside,
        cycles=cycles(inside),
        truncated=truncated,
    )


def _links(edges: Iterable[Edge], *, forward: bool) -> dict[str, list[str]]:
    links: dict[str, list[str]] = {}
    for edge in edges:
        here, there = (edge.source, edge.target) if forward else (edge.target, edge.source)
        links.setdefault(here, []).append(there)
    return links


def _walk(
    start: str,
    links: Mapping[str, list[str]],
    depth: int | None,
    most_nodes: int,
    reached: dict[str, int],
) -> bool:
    """Search breadth-first and fill `reached` with distances. True if a limit cut it off."""
    truncated = False
    waiting = deque([start])
    while waiting:
        here = waiting.popleft()
        for there in links.get(here, ()):
            if there in reached:
                continue
            if (depth is not None and reached[here] >= depth) or len(reached) >= most_nodes:
                truncated = True
                continue
            reached[there] = reached[here] + 1
            waiting.append(there)
    return truncated


def cycles(edges: Iterable[Edge]) -> tuple[tuple[str, ...], ...]:
    """The groups of services in dependency cycles, each sorted by name.

    A group is a strongly connected component of more than one node, or one node with an edge to
    itself.
    """
    links: dict[str, list[str]] = {}
    for edge in edges:
        links.setdefault(edge.source, []).append(edge.target)
    # R. Tarjan, "Depth-first search and linear graph algorithms", SIAM J. Comput. 1 (1972), with a
    # explicit stack: a chain may be longer than Python's recursion limit.
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    unassigned: dict[str, None] = {}
    groups = []
    for start in links:
        path = [] if start in number else [(start, iter(links[start]))]
        while path:
            here, targets = path[-1]
            if here not in number:
                number[here] = lowest[here] = len(number)
                unassigned[here] = None
            for there in targets:
                if there not in number:
                    path.append((there, iter(links.get(there, ()))))
                    break
                if there in unassigned:
                    lowest[here] = min(lowest[here], number[there])
            else:
                path.pop()
                if path:
                    above = path[-1][0]
                    lowest[above] = min(lowest[above], lowest[here])
                if lowest[here] == number[here]:
                    group = [unassigned.popitem()[0]]
                    while group[-1] != here:
                        group.append(unassigned.popitem()[0])
                    if len(group) > 1 or here in links.get(here, ()):
                        groups.append(tuple(sorted(group)))
    return tuple(sorted(groups))
