"""Selectors read only the labels that the query uses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from novaql.planner.label_flow import OF_VALUES, operand_of, source_of
from novaql.planner.logical import Aggregation, Plan, Select, children, rewrite_shared
from novaql.planner.pipelined import runs_as_pipeline
from novaql.tsdb.model.labels import METRIC_NAME
from novaql.tsdb.model.matchers import Matcher

Labels = frozenset[str] | None
"""None: all of them."""


def project_labels(plan: Plan) -> Plan:
    """`sum by (job) (rate(m[5m]))` needs only the job, and the name, for messages.

    This applies only below aggregations whose operand runs as a pipeline: elsewhere, series differ
    in any of their labels. It does not apply to data with native histograms, which are aggregated
    as a whole. Selectors with equal matchers read the same labels, so that they share a selection.
    """
    wanted: dict[tuple[Matcher, ...], Labels] = {}
    for select, labels in _uses(plan):
        known = wanted.setdefault(select.matchers, labels)
        both = None if known is None or labels is None else known | labels
        wanted[select.matchers] = both

    def projected(node: Plan) -> Plan:
        if not isinstance(node, Select):
            return node
        labels = wanted[node.matchers]
        return node if labels == node.labels else replace(node, labels=labels)

    return rewrite_shared(plan, projected)


def _uses(plan: Plan) -> Iterator[tuple[Select, Labels]]:
    """Return every selector, with the labels that this use of it needs."""
    waiting = [plan]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        match node:
            case Select():
                yield node, None
            case Aggregation(without=False, operand=operand, grouping=grouping) if (
                node.by_batch or (node.op in OF_VALUES and runs_as_pipeline(operand))
            ):
                waiting.extend(one for one in (node.parameter, *node.more) if one is not None)
                select = source_of(operand)
                if select is not None and select.floats_only:
                    yield select, frozenset((*grouping, METRIC_NAME))
                    waiting.extend(_beside(operand))
                else:
                    waiting.append(operand)
            case _:
                waiting.extend(children(node))


def _beside(operand: Plan) -> Iterator[Plan]:
    """Return the scalars beside the path from an operand to its selector."""
    node = operand
    while not isinstance(node, Select):
        below = operand_of(node)
        assert below is not None
        yield from (child for child in children(node) if child is not below)
        node = below
