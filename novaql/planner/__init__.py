"""Syntax tree → logical plan → optimized logical plan. Pure: no data, no arrays."""

from novaql.planner.build import build_plan
from novaql.planner.independent_steps import has_independent_steps
from novaql.planner.optimizer import explain, optimize

__all__ = ["build_plan", "explain", "has_independent_steps", "optimize"]
