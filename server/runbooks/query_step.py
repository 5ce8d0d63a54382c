"""Query steps: a condition about the tenant's samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novaql import (
    Cancellation,
    NovaqlError,
    QueryCancelled,
    QueryOptions,
    QueryTimeout,
    Result,
    ResultKind,
    evaluate,
)
from novaql.server.clock import to_ms
from novaql.server.query.run import within_budget
from novaql.server.runbooks.model import StepStatus, compares
from novaql.server.runbooks.outcome import StepOutcome
from novaql.server.tenants.context import ServerContext

LOOKBACK_MS = 300_000
SHOWN = 20
"""The most values in the output."""


def run_query_step(
    context: ServerContext, step: Mapping[str, Any], timeout_s: float, cancellation: Cancellation
) -> StepOutcome:
    """Evaluate the condition of a step now. Raises `QueryCancelled` if the server stops."""
    at_ms = to_ms(context.clock.now())
    options = QueryOptions(at_ms, at_ms, 0, LOOKBACK_MS, timeout_s=timeout_s)
    bounded = within_budget(context, options, cancellation)
    try:
        result = evaluate(step["expr"], context.store, bounded, cancellation=cancellation)
    except QueryCancelled:
        raise
    except QueryTimeout as problem:
        return StepOutcome(StepStatus.TIMED_OUT, detail=str(problem))
    except NovaqlError as problem:
        return StepOutcome(StepStatus.FAILED, detail=f"the query failed: {problem}")
    return _judged(step, _values_of(result))


def _values_of(result: Result) -> list[tuple[dict[str, str], float]]:
    """Return labels and value of each element; a native histogram has no value to compare."""
    found: list[tuple[dict[str, str], float]] = []
    if result.kind not in (ResultKind.VECTOR, ResultKind.SCALAR) or result.raw is not None:
        return found
    for row, labels in enumerate(result.series.dicts()):
        there = result.valid is None or bool(result.valid[row, 0])
        native = result.native is not None and int(result.native.which[row, 0]) >= 0
        if there and not native:
            found.append((labels, float(result.values[row, 0])))
    return found


def _judged(step: Mapping[str, Any], found: list[tuple[dict[str, str], float]]) -> StepOutcome:
    lines = [f"{labels} = {value:g}" for labels, value in found[:SHOWN]]
    if len(found) > SHOWN:
        lines.append(f"and {len(found) - SHOWN} more")
    output = "\n".join(lines)
    op, threshold = step["op"], step["threshold"]
    if op is None:
        holds, wanted = bool(found), "any value"
    else:
        hits = [compares(op, value, threshold) for _, value in found]
        holds = bool(hits) and (all(hits) if step["match"] == "all" else any(hits))
        wanted = f"{step['match']} value {op} {threshold:g}"
    verdict = "the condition holds" if holds else "the condition does not hold"
    detail = f"{verdict}: {wanted}, of {len(found)}"
    status = StepStatus.SUCCEEDED if holds else StepStatus.FAILED
    return StepOutcome(status, output, detail=detail)
