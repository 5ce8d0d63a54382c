"""Applies the rules, and records the plan after each for `explain`."""

from __future__ import annotations

from dataclasses import replace

from novaql.fast_dataclass import dataclass
from novaql.planner.logical import Plan, Select, rewrite, type_of
from novaql.planner.rules import REQUIRED, RULES
from novaql.planner.show import show
from novaql.planner.time_ranges import range_text, time_ranges


@dataclass(frozen=True, slots=True)
class Stage:
    """The plan after one rule."""

    rule: str
    plan: Plan
    changed: bool


def optimize(plan: Plan, *, enabled: bool = True, floats_only: bool = False) -> Plan:
    """Return the plan after all rules. `enabled=False`: only after those of `REQUIRED`.

    floats_only  the data has no native histograms, so no annotation is about one
    """
    if floats_only:
        plan = of_floats(plan)
    return trace(plan, enabled=enabled)[-1].plan


def of_floats(plan: Plan) -> Plan:
    """Return the plan for data without native histograms."""

    def marked(node: Plan) -> Plan:
        return replace(node, floats_only=True) if isinstance(node, Select) else node

    return rewrite(plan, marked)


def trace(plan: Plan, *, enabled: bool = True) -> list[Stage]:
    """Return the plan as built, and after each rule."""
    stages = [Stage("as written", plan, changed=True)]
    for rule in RULES:
        if not enabled and rule not in REQUIRED:
            continue
        after = rule(plan)
        assert type_of(after) is type_of(plan), f"{rule.__name__} changed the type of the result"
        stages.append(Stage(rule.__name__, after, changed=after != plan))
        plan = after
    return stages


def explain(plan: Plan, lookback_ms: int) -> str:
    """Return the plan after every rule as text, and the time range that each selector reads.

    The plan is that for data without native histograms.
    """
    parts = []
    plan = of_floats(plan)
    for stage in trace(plan):
        body = show(stage.plan, "  ") if stage.changed else "  unchanged"
        parts.append(f"{stage.rule}\n{body}")
        plan = stage.plan
    lines = (
        f"{show(select, '  ')}  [reads {range_text(reach)}]"
        for select, reach in time_ranges(plan, lookback_ms)
    )
    return "\n".join([*parts, "time ranges", *dict.fromkeys(lines)])
