"""The time as of which `info()` matches the info series of a vector."""

from __future__ import annotations

from novaql.fast_dataclass import dataclass
from novaql.language.value_types import ValueType
from novaql.planner.logical import (
    FunctionCall,
    Nothing,
    Plan,
    Select,
    SubqueryWindow,
    children,
    type_of,
)


@dataclass(frozen=True, slots=True)
class Reference:
    """The time at_ms - offset_ms; without at_ms, the step's time less the offset."""

    offset_ms: int = 0
    at_ms: int | None = None

    def within(self, subquery: SubqueryWindow) -> Reference:
        """The same time as seen from outside of a subquery. A pinned time does not change."""
        if self.at_ms is not None:
            return self
        return Reference(self.offset_ms + subquery.offset_ms, subquery.at_ms)

    @property
    def time(self) -> tuple[bool, int]:
        """Equal where two references mean the same time at every step."""
        pinned = self.at_ms is not None
        return pinned, (self.at_ms or 0) - self.offset_ms


STEP = Reference()
"""The time of each step."""


def reference_of(plan: Plan) -> Reference:
    """The time that all selectors which the vector comes from read as of, or else `STEP`.

    Selectors below a scalar do not count, and a vector that comes from no selector at all, such as
    `vector(1)`, is one of the step.
    """
    found: list[Reference] = []
    waiting: list[tuple[Plan, tuple[SubqueryWindow, ...]]] = [(plan, ())]
    while waiting:
        node, subqueries = waiting.pop()
        if isinstance(node, Nothing):
            continue
        if isinstance(node, Select):
            reference = Reference(node.offset_ms, node.at_ms)
            for subquery in reversed(subqueries):
                reference = reference.within(subquery)
            found.append(reference)
            continue
        if isinstance(node, SubqueryWindow):
            subqueries = (*subqueries, node)
        below = children(node)
        if isinstance(node, FunctionCall) and node.function == "info":
            below = below[:1]  # the second argument only looks like a selector
        vectors = [c for c in below if type_of(c) in (ValueType.VECTOR, ValueType.MATRIX)]
        if not vectors:
            return STEP
        waiting.extend((child, subqueries) for child in vectors)
    if len({reference.time for reference in found}) != 1:
        return STEP
    return found[0]
