"""The rewrites, in order, each with its reason. A rule takes a plan and returns an equal one.

Each has cases, the plan before and after as text, in `tests/planner/fixtures`.
"""

from __future__ import annotations

from collections.abc import Callable

from novaql.planner.logical import Plan
from novaql.planner.rules.drop_dead_branches import drop_dead_branches
from novaql.planner.rules.fold_constants import fold_constants
from novaql.planner.rules.hoist_step_invariant import hoist_step_invariant
from novaql.planner.rules.project_labels import project_labels
from novaql.planner.rules.propagate_matchers import propagate_matchers
from novaql.planner.rules.push_down_aggregations import push_down_aggregations
from novaql.planner.rules.share_subplans import share_subplans
from novaql.planner.rules.sort_matchers import sort_matchers

Rule = Callable[[Plan], Plan]

RULES: tuple[Rule, ...] = (
    fold_constants,  # first: later rules see numbers instead of arithmetic
    drop_dead_branches,  # early: later rules have less to process
    propagate_matchers,  # before sorting, because it adds matchers at the end
    sort_matchers,  # equal selectors become equal plans, independent of the order of their matchers
    hoist_step_invariant,  # after the rules above, from which it hides subtrees
    share_subplans,  # needs the plans in the form in which they are evaluated, and hides them
    push_down_aggregations,  # after sharing: a shared subplan is a whole matrix
    project_labels,  # depends on which aggregations are pushed down
)

REQUIRED: frozenset[Rule] = frozenset({hoist_step_invariant})
"""Rules that the meaning of a query requires: `@` is evaluated through them. They always run."""
