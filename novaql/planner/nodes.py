"""Plans as lists of nodes with their places in the text, for a page that draws them."""

from __future__ import annotations

from novaql.fast_dataclass import dataclass
from novaql.planner.logical import Plan, Shared, children
from novaql.planner.show import line_of
from novaql.span import NOWHERE, Span


@dataclass(frozen=True, slots=True)
class PlanNode:
    """A node of a plan. Nodes refer to each other by number, since chains may be very deep.

    number        its place in the list; the root is 0
    kind          `FunctionCall`, `Select`, …
    text          the node as in `explain`, without those below it
    start, end    the characters of the query that it comes from
    line, column  of the start, from 1
    children      numbers of the nodes below; a shared one is below several
    """

    number: int
    kind: str
    text: str
    start: int
    end: int
    line: int
    column: int
    children: tuple[int, ...]


def nodes_of(plan: Plan, query: str) -> list[tuple[Plan, PlanNode]]:
    """Return the nodes of a plan, parents first, each beside its part of the plan."""
    found: list[Plan] = []
    below: list[list[int]] = []
    shared: dict[int, int] = {}
    waiting: list[tuple[Plan, int | None]] = [(plan, None)]
    while waiting:
        node, parent = waiting.pop()
        number = shared.get(node.number) if isinstance(node, Shared) else None
        known = number is not None
        if number is None:
            number = len(found)
            found.append(node)
            below.append([])
        if parent is not None:
            below[parent].append(number)
        if known:
            continue
        if isinstance(node, Shared):
            shared[node.number] = number
        waiting.extend((child, number) for child in reversed(children(node)))
    spans = _spans(found, below)
    return [
        (
            node,
            PlanNode(
                number,
                type(node).__name__,
                line_of(node),
                spans[number].start,
                spans[number].end,
                *spans[number].position(query),
                tuple(below[number]),
            ),
        )
        for number, node in enumerate(found)
    ]


def _spans(found: list[Plan], below: list[list[int]]) -> list[Span]:
    """The place of each node; one without a text of its own spans those below it."""
    spans = [node.span for node in found]
    for number in reversed(range(len(found))):
        parts = [spans[child] for child in below[number] if spans[child] != NOWHERE]
        if spans[number] == NOWHERE and parts:
            spans[number] = Span(min(p.start for p in parts), max(p.end for p in parts))
    return spans
