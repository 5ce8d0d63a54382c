"""Whether a range query is the same as an instant query at each of its steps."""

from __future__ import annotations

from novaql.language import Call, parse_core, walk
from novaql.options import QueryOptions
from novaql.planner.build import build_with_dependencies
from novaql.planner.optimizer import optimize
from novaql.planner.reach import reach


def has_independent_steps(expr: str, options: QueryOptions) -> bool:
    """Whether each step of a range query has the result of an instant query at its time: no part of
    it depends on other steps, on the range, on the step or on an automatic window.

    Raises `QueryError` if the query is invalid.
    """
    core = parse_core(expr)
    if any(isinstance(node, Call) and node.function == "step" for node in walk(core)):
        return False
    built = build_with_dependencies(core, expr, options)
    if not built.timeless or built.windows:
        return False
    return reach(optimize(built.plan), options.lookback_ms) is not None
