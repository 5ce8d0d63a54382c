"""Plans by text: a query that was planned before is not planned again, whatever its times.

Plans that were built looking at the times of their query (`@ end()`, `step()` in a duration) are
kept for those times alone.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

from novaql.errors import TypeProblem
from novaql.language import parse
from novaql.language.value_types import ValueType
from novaql.options import QueryOptions
from novaql.planner.build import build_noting
from novaql.planner.logical import Plan, type_of
from novaql.planner.optimizer import optimize

MOST = 512
LONGEST_TEXT = 20_000


class PlanCache:
    """The plans used last. Safe to use from several threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._plans: OrderedDict[Hashable, Plan] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._plans)

    def plan(
        self,
        expr: str,
        options: QueryOptions,
        *,
        optimizer: bool = True,
        floats_only: bool = False,
    ) -> Plan:
        """The plan of a text after all rules; arguments as of `optimize`.

        Raises `QueryError` where the text is wrong.
        """
        at_any_time = expr, options.subquery_step_ms, optimizer, floats_only
        at_these = (*at_any_time, options.start_ms, options.end_ms, options.step_ms)
        found = None
        with self._lock:
            for key in (at_any_time, at_these):
                found = self._plans.get(key)
                if found is not None:
                    self._plans.move_to_end(key)
                    break
        if found is None:
            built, timeless = build_noting(parse(expr), expr, options)
            check_type(built, expr, options)  # before rules that lean on it
            found = optimize(built, enabled=optimizer, floats_only=floats_only)
            if len(expr) <= LONGEST_TEXT:
                with self._lock:
                    self._plans[at_any_time if timeless else at_these] = found
                    while len(self._plans) > self._most:
                        self._plans.popitem(last=False)
        else:
            check_type(found, expr, options)
        return found


def check_type(plan: Plan, expr: str, options: QueryOptions) -> None:
    """Raise `TypeProblem` where a range query asks for what has no value at a step."""
    kind = type_of(plan)
    if not options.instant and kind not in (ValueType.SCALAR, ValueType.VECTOR):
        raise TypeProblem(
            f'invalid expression type "{kind.value}" for range query, '
            "must be Scalar or instant Vector",
            expr,
            parse(expr).span,
        )


PLANS = PlanCache()
"""Those of this process."""
