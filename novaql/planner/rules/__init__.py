"""The rewrites, in order, each with its reason. A rule takes a plan and returns an equal one."""

from __future__ import annotations

from collections.abc import Callable

from novaql.planner.logical import Plan
from novaql.planner.rules.fold_constants import fold_constants
from novaql.planner.rules.hoist_step_invariant import hoist_step_invariant
from novaql.planner.rules.sort_matchers import sort_matchers

Rule = Callable[[Plan], Plan]

RULES: tuple[Rule, ...] = (
    fold_constants,  # first: later rules see numbers, not arithmetic
    sort_matchers,  # equal selectors become equal plans, whatever order they were written in
    hoist_step_invariant,  # last: it hides subtrees from the rules above
)

REQUIRED: frozenset[Rule] = frozenset({hoist_step_invariant})
"""Not optimisations but meaning: `@` is evaluated through them, so they run even when off."""
