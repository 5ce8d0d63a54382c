"""A subplan that occurs several times is evaluated once."""

from __future__ import annotations

from dataclasses import field, fields, replace
from functools import partial

from novaql.fast_dataclass import dataclass
from novaql.language.ast import left_spine
from novaql.language.value_types import ValueType
from novaql.planner.label_flow import GROUPING, is_quiet, source_of, with_source
from novaql.planner.logical import (
    LOOKS_AT_SELECTOR,
    RANDOM,
    Aggregation,
    BinaryOp,
    FunctionCall,
    Nothing,
    Plan,
    RetainNames,
    Select,
    Shared,
    StepInvariant,
    Subset,
    Window,
    children,
    type_of,
    with_children,
    with_sides,
)
from novaql.tsdb.model.labels import METRIC_NAME
from novaql.tsdb.model.matchers import Matcher

MOST_SUPERSETS = 20
"""The number of selectors of one metric that are compared to find one that contains another."""

_BELOW = frozenset(
    {"inner", "operand", "left", "right", "parameter", "arguments", "select", "more"}
)
"""Fields that hold plans."""


def share_subplans(plan: Plan) -> Plan:
    """`a / (a + b)` reads a once; `m{x="1"} / ignoring (x) group_right () m` takes the rows of one
    side from the other.

    Operands that only aggregations use, batch by batch, are not shared: a shared operand would be a
    whole matrix in memory.
    """
    census = _Census()
    census.take(plan)
    return _Sharing(census).below(plan)


@dataclass(slots=True)
class _Entry:
    """Equal plans, one of which is `plan`.

    wholes, folds  how many places in different plans need all their rows at once, or fold them
    """

    plan: Plan
    is_vector: bool
    wholes: int = 0
    folds: int = 0

    @property
    def is_shared(self) -> bool:
        return self.wholes > 1 or (self.wholes > 0 and self.folds > 0)


@dataclass(slots=True)
class _Census:
    """Numbers plans; equal ones have the same number."""

    entries: list[_Entry] = field(default_factory=list)
    _numbers: dict[object, int] = field(default_factory=dict)
    _of_node: dict[int, int] = field(default_factory=dict)

    def take(self, root: Plan) -> None:
        """Enter all plans, the lowest first."""
        waiting: list[tuple[Plan, bool]] = [(root, False)]
        while waiting:
            node, ready = waiting.pop()
            if ready:
                self._enter(node)
            elif id(node) not in self._of_node:
                waiting.append((node, True))
                waiting.extend((child, False) for child in reversed(children(node)))

    def number(self, node: Plan) -> int:
        return self._of_node[id(node)]

    def _enter(self, node: Plan) -> None:
        below = children(node)
        own = tuple(getattr(node, f.name) for f in fields(node) if f.name not in (*_BELOW, "span"))
        if isinstance(node, FunctionCall) and node.function in RANDOM:
            own = *own, node.span
        key = type(node), tuple(map(_exact, own)), tuple(self.number(child) for child in below)
        number = self._numbers.setdefault(key, len(self.entries))
        self._of_node[id(node)] = number
        if number < len(self.entries):
            return
        entries = [self.entries[self.number(child)] for child in below]
        if isinstance(node, BinaryOp):
            is_vector = any(entry.is_vector for entry in entries)
        else:
            is_vector = type_of(node) is ValueType.VECTOR
        self.entries.append(_Entry(node, is_vector))
        for child, entry in zip(below, entries, strict=True):
            match self.use(node, child):
                case "whole":
                    entry.wholes += 1
                case "fold":
                    entry.folds += 1

    def use(self, parent: Plan, child: Plan) -> str:
        """How the parent uses the child's rows: "whole", "fold", or "" for other uses."""
        if isinstance(child, Nothing) or not self.entries[self.number(child)].is_vector:
            return ""
        match parent:
            case Window():
                return ""
            case FunctionCall(function=name) if name in LOOKS_AT_SELECTOR:
                return ""
            case StepInvariant() if isinstance(child, Select):
                return ""  # the parent may be such a function
            case RetainNames():
                return ""  # its operand has names that are removed elsewhere
            case Aggregation(op=op) if op in GROUPING and source_of(child) is not None:
                return "fold"
            case _:
                return "whole"


def _exact(value: object) -> object:
    """0 and -0 are equal, but different constants."""
    return repr(value) if isinstance(value, float) else value


class _Sharing:
    """Rebuilds a plan with its shared parts marked."""

    def __init__(self, census: _Census) -> None:
        self._census = census
        self._rebuilt: dict[int, Plan] = {}
        self._supersets = _supersets(census)

    def below(self, plan: Plan) -> Plan:
        """Return the plan with its parts shared."""
        if not isinstance(plan, BinaryOp):
            return with_children(plan, partial(self._marked, plan))
        spine = left_spine(plan)
        left = self._marked(spine[0], spine[0].left)
        for node, above in zip(spine, [*spine[1:], None], strict=True):
            new = with_sides(node, left, self._marked(node, node.right))
            left = new if above is None else self._marked(above, node, new)
        return left

    def _marked(self, parent: Plan, child: Plan, rebuilt: Plan | None = None) -> Plan:
        """The child in its place below the parent; `rebuilt`, if that was done already."""
        if not self._census.use(parent, child):
            return self.below(child) if rebuilt is None else rebuilt
        number = self._census.number(child)
        superset = self._supersets.get(number)
        if superset is not None:
            number, matchers = superset
            return Subset(self._shared(number, child), matchers, span=child.span)
        if self._census.entries[number].is_shared:
            return self._shared(number, child)
        return self.below(child) if rebuilt is None else rebuilt

    def _shared(self, number: int, place: Plan) -> Plan:
        if number not in self._rebuilt:
            self._rebuilt[number] = self.below(self._census.entries[number].plan)
        return Shared(self._rebuilt[number], number + 1, span=place.span)


def _supersets(census: _Census) -> dict[int, tuple[int, tuple[Matcher, ...]]]:
    """By number of a plan: another plan that selects more and is otherwise equal, and the matchers
    that distinguish them. Both are computed whole, so the larger one is available anyway.
    """
    alike: dict[tuple[Plan, frozenset[Matcher]], list[tuple[int, frozenset[Matcher]]]] = {}
    for number, entry in enumerate(census.entries):
        plan = entry.plan
        if not entry.wholes or not isinstance(plan, Select | FunctionCall):
            continue
        select = source_of(plan)
        if select is not None and is_quiet(plan):
            bare = with_source(plan, replace(select, matchers=()))
            names = frozenset(m for m in select.matchers if m.name == METRIC_NAME)
            alike.setdefault((bare, names), []).append((number, frozenset(select.matchers)))
    found = {}
    for group in alike.values():
        group.sort(key=lambda member: len(member[1]))
        taken: list[tuple[int, frozenset[Matcher]]] = []
        for number, matchers in group:
            for base, fewer in taken:
                if fewer < matchers:
                    found[number] = base, tuple(sorted(matchers - fewer, key=str))
                    census.entries[base].wholes += 1
                    break
            else:
                if len(taken) < MOST_SUPERSETS:
                    taken.append((number, matchers))
    return found
