"""The matchers of one side of an operator also apply to the other side."""

from __future__ import annotations

from dataclasses import replace

from novaql.language.ast import Cardinality, Matching
from novaql.language.value_types import ValueType
from novaql.planner.label_flow import (
    GROUPING,
    grouped_labels,
    is_quiet,
    one_metric,
    operand_of,
    source_of,
    with_operand,
    with_source,
)
from novaql.planner.logical import (
    Aggregation,
    BinaryOp,
    Plan,
    rewrite,
    type_of,
    with_sides,
)
from novaql.tsdb.model.labels import METRIC_NAME
from novaql.tsdb.model.matchers import Matcher, MatchOp

Matchers = frozenset[Matcher]
NONE: Matchers = frozenset()
MOST = 16
"""The largest number of propagated matchers; a long chain of operators must not collect
hundreds."""


def propagate_matchers(plan: Plan) -> Plan:
    """`a{x="1"} / b` reads only the series of b with x="1", because no other series matches.

    Only labels that the operator matches on are propagated. A side does not change if reading less
    of it would hide an error (two series in one match group are an error even without a partner),
    if it could add warnings, or if `fill` adds partners for it.
    """
    facts = _Facts()

    def change(node: Plan) -> Plan:
        if isinstance(node, BinaryOp) and _both_vectors(node):
            node = _limited(node, facts)
        facts.learn(node)
        return node

    return rewrite(plan, change)


class _Facts:
    """Matchers that every row of a plan satisfies, by node: computed from the lowest node
    upwards."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Plan, Matchers]] = {}

    def of(self, plan: Plan) -> Matchers:
        known = self._known.get(id(plan))
        return self.learn(plan) if known is None else known[1]

    def learn(self, plan: Plan) -> Matchers:
        found = frozenset(sorted(self._found(plan), key=str)[:MOST])
        self._known[id(plan)] = plan, found  # refers to the plan, so that its id remains unique
        return found

    def _found(self, plan: Plan) -> Matchers:
        select = source_of(plan) if not isinstance(plan, BinaryOp) else None
        if select is not None:
            return frozenset(m for m in select.matchers if _is_narrow(m))
        match plan:
            case Aggregation(op=op, operand=operand) if op in GROUPING or op == "quantile":
                return grouped_labels(plan, self.of(operand))
            case Aggregation(op="topk" | "bottomk" | "limitk" | "limit_ratio", operand=operand):
                return self.of(operand)
            case BinaryOp() if not _both_vectors(plan):
                below = operand_of(plan)
                return NONE if below is None else self.of(below)
            case BinaryOp(matching=Matching(renamed=(_, *_))):
                return NONE
            case BinaryOp(op="and", matching=matching):
                return self.of(plan.left) | _matched(self.of(plan.right), matching)
            case BinaryOp(op="unless"):
                return self.of(plan.left)
            case BinaryOp(op=op, matching=matching) if op != "or" and not _fills(matching):
                if matching.cardinality is not Cardinality.ONE_TO_ONE:
                    return NONE
                both = self.of(plan.left) | self.of(plan.right)
                return _matched(both, matching)
            case _:
                return NONE


def _limited(node: BinaryOp, facts: _Facts) -> BinaryOp:
    matching = node.matching
    if node.op == "or" or _fills(matching) or matching.renamed:
        return node
    to_right = _matched(facts.of(node.left), matching)
    to_left = _matched(facts.of(node.right), matching)
    if node.op == "unless":
        to_left = NONE
    elif node.op != "and":
        swapped = matching.cardinality is Cardinality.ONE_TO_MANY
        if not _rows_are_distinct(node.left if swapped else node.right, matching):
            return node
    return with_sides(node, _pushed(node.left, to_left), _pushed(node.right, to_right))


def _pushed(plan: Plan, matchers: Matchers) -> Plan:
    """The rows of a plan that satisfy the matchers, or more of them."""
    path: list[Plan] = []
    node = plan
    while matchers and source_of(node) is None:
        if isinstance(node, Aggregation) and node.op in GROUPING:
            matchers, below = grouped_labels(node, matchers), node.operand
        elif isinstance(node, BinaryOp) and (found := operand_of(node)) is not None:
            below = found
        else:
            return plan
        path.append(node)
        node = below
    select = source_of(node)
    if select is None or not is_quiet(plan):
        return plan
    new = tuple(m for m in sorted(matchers, key=str) if m not in select.matchers)
    if not new:
        return plan
    node = with_source(node, replace(select, matchers=(*select.matchers, *new)))
    for above in reversed(path):
        if isinstance(above, Aggregation):
            node = replace(above, operand=node)
        else:
            node = with_operand(above, node)
    return node


def _rows_are_distinct(plan: Plan, matching: Matching) -> bool:
    """Whether no two rows can be in one match group."""
    below = plan
    while not isinstance(below, Aggregation):
        found = operand_of(below)
        if found is None:
            return not matching.on and not matching.labels and one_metric(plan)
        below = found
    if below.op not in GROUPING:
        return False
    grouping, labels = set(below.grouping), set(matching.labels)
    if METRIC_NAME in grouping:
        return False
    if matching.on:
        return not below.without and grouping <= labels
    return labels <= grouping if below.without else not labels & grouping


def _matched(matchers: Matchers, matching: Matching) -> Matchers:
    """Return the matchers of labels that the operator matches on."""
    return frozenset(m for m in matchers if (m.name in matching.labels) is matching.on)


def _is_narrow(matcher: Matcher) -> bool:
    """Whether the matcher is propagated: it selects specific values."""
    return matcher.name != METRIC_NAME and matcher.op in (MatchOp.EQUAL, MatchOp.REGEX)


def _fills(matching: Matching) -> bool:
    return matching.fill_left is not None or matching.fill_right is not None


def _both_vectors(node: BinaryOp) -> bool:
    # The right side first: the left one may be a long chain.
    return type_of(node.right) is ValueType.VECTOR and type_of(node.left) is ValueType.VECTOR
