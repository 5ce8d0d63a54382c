"""Aggregations read their operand batch by batch, if it can be evaluated that way."""

from __future__ import annotations

from dataclasses import replace

from novaql.planner.label_flow import GROUPING
from novaql.planner.logical import Aggregation, Plan, rewrite_shared
from novaql.planner.pipelined import runs_as_pipeline


def push_down_aggregations(plan: Plan) -> Plan:
    """`sum by (job) (rate(m[5m]))` holds its groups and one batch, whatever the number of series.

    A shared operand is a whole matrix already, and is not folded.
    """

    def pushed(node: Plan) -> Plan:
        match node:
            case Aggregation(op=op, operand=operand, by_batch=False) if op in GROUPING:
                return replace(node, by_batch=True) if runs_as_pipeline(operand) else node
            case _:
                return node

    return rewrite_shared(plan, pushed)
