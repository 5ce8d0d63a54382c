"""A cache of plans by query text.

A plan is valid for all times, unless the query refers to its own times (`@ end()`, `step()` in a
duration): then the times are part of the key.
"""

from __future__ import annotations

from novaql.errors import TypeProblem
from novaql.language import parse_core
from novaql.language.value_types import ValueType
from novaql.options import QueryOptions
from novaql.planner.build import GapFinder, build_with_dependencies
from novaql.planner.logical import Plan, type_of
from novaql.planner.optimizer import optimize
from novaql.span import Span
from novaql.tsdb.runtime.lru_cache import ByteCache

PLAN_CACHE_BYTES = 32 << 20

PLAN_BYTES = 2_000
"""About the size of a small plan."""

BYTES_PER_CHARACTER = 100
"""About the size of a plan, for each character of its query."""


class PlanCache:
    """Caches plans. Thread-safe."""

    def __init__(self, limit_bytes: int = PLAN_CACHE_BYTES) -> None:
        self._plans: ByteCache[tuple[Plan, str]] = ByteCache(
            limit_bytes, lambda entry: PLAN_BYTES + BYTES_PER_CHARACTER * len(entry[1])
        )

    def plan(
        self,
        expr: str,
        options: QueryOptions,
        *,
        optimizer: bool = True,
        floats_only: bool = False,
    ) -> Plan:
        """Return the plan of a query after all rules, as if there were no data."""
        return self.planned(expr, options, optimizer=optimizer, floats_only=floats_only)[0]

    def planned(
        self,
        expr: str,
        options: QueryOptions,
        *,
        optimizer: bool = True,
        floats_only: bool = False,
        gap_ms: GapFinder | None = None,
        strict_promql: bool = False,
    ) -> tuple[Plan, tuple[tuple[Span, int], ...]]:
        """Return the plan of a query after all rules, and its automatic windows.

        Arguments as of `optimize`, `build_with_dependencies` and `parse`. The key of the cache
        includes automatic windows.

        Raises `QueryError` if the query is invalid.
        """
        if strict_promql:
            parse_core(expr, strict_promql=True)
        any_time = expr, options.subquery_step_ms, optimizer, floats_only
        these_times = (*any_time, options.start_ms, options.end_ms, options.step_ms)
        entry = self._plans.get(any_time) or self._plans.get(these_times)
        if entry is not None:
            check_type(entry[0], expr, options)
            return entry[0], ()
        built = build_with_dependencies(parse_core(expr), expr, options, gap_ms)
        check_type(built.plan, expr, options)  # the rules assume correct types
        key: tuple[object, ...] = any_time if built.timeless else these_times
        if built.windows:  # they depend on the data, so each query determines them again
            key = *key, built.windows
            entry = self._plans.get(key)
        if entry is None:
            plan = optimize(built.plan, enabled=optimizer, floats_only=floats_only)
            entry = plan, expr
            self._plans.put(key, entry)
        return entry[0], built.windows


def check_type(plan: Plan, expr: str, options: QueryOptions) -> None:
    """Raise `TypeProblem` if a range query has no value at a step."""
    kind = type_of(plan)
    if not options.instant and kind not in (ValueType.SCALAR, ValueType.VECTOR):
        raise TypeProblem(
            f'invalid expression type "{kind.value}" for range query, '
            "must be Scalar or instant Vector",
            expr,
            parse_core(expr).span,
        )


PLANS = PlanCache()
"""The plans of this process."""
