"""Plans as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

from novaql.language.ast import Matching
from novaql.language.printer import matching_text
from novaql.planner.logical import (
    PLAIN,
    Aggregation,
    Constant,
    Plan,
    Select,
    Shared,
    Subset,
    children,
)
from novaql.text.times import duration_text

DEEPEST_SHOWN = 250

_NOT_SHOWN = frozenset({"span", "floats_only", "returns", "matchers", "without"})


def show(plan: Plan, indent: str = "", note: Callable[[Plan], str] = lambda _: "") -> str:
    """Return the plan as text, one line for each node, children indented.

    note  text at the end of a node's line

    Below `DEEPEST_SHOWN` levels, which only chains of operators reach, the indent does not grow.
    """
    lines = []
    waiting = [(plan, 0)]
    seen: set[int] = set()  # a shared subplan is shown once
    while waiting:
        node, level = waiting.pop()
        lines.append(indent + "  " * min(level, DEEPEST_SHOWN) + line_of(node) + note(node))
        if isinstance(node, Shared):
            if node.number in seen:
                continue
            seen.add(node.number)
        waiting.extend((child, level + 1) for child in reversed(children(node)))
    return "\n".join(lines)


def line_of(plan: Plan) -> str:
    """Return a node as text, without those below it."""
    words = [type(plan).__name__]
    if isinstance(plan, Constant):
        words.append(f"{plan.value:g}")
    elif isinstance(plan, Select | Subset):
        words.append("{" + ", ".join(str(m) for m in plan.matchers) + "}")
    for one in fields(plan):
        value = getattr(plan, one.name)
        if one.name not in _NOT_SHOWN and not isinstance(plan, Constant) and not _is_plan(value):
            words.append(_attribute(plan, one.name, value))
    return " ".join(filter(None, words))


def _attribute(plan: Plan, name: str, value: object) -> str:
    """Return an attribute in the syntax of the language if it has one; "": the default."""
    if isinstance(plan, Aggregation) and name == "grouping":
        if plan.without or plan.grouping:
            return f"{'without' if plan.without else 'by'} ({', '.join(plan.grouping)})"
        return ""
    if isinstance(value, Matching):
        return "" if value == PLAIN else matching_text(value).strip()
    if value is None or value is False or value == () or (value == 0 and name != "at_ms"):
        return ""
    if value is True:
        return name
    if isinstance(value, int) and name == "at_ms":
        return f"@ {value / 1000:.15g}"
    if isinstance(value, int) and name.endswith("_ms"):
        sign = "-" if value < 0 else ""
        return f"{name.removesuffix('_ms')}={sign}{duration_text(abs(value))}"
    if name == "alternatives":
        sets = (", ".join(map(str, matchers)) for matchers in plan.alternatives)  # type: ignore[union-attr]
        return f"{{{' or '.join(sets)}}}"
    if name == "stages":
        return f"stages=({', '.join(map(str, plan.stages))})"  # type: ignore[union-attr]
    if isinstance(value, frozenset):
        return f"{name}=({', '.join(sorted(value))})"
    return f"{name}={value}"


def _is_plan(value: object) -> bool:
    if isinstance(value, tuple):
        return bool(value) and isinstance(value[0], Plan)
    return isinstance(value, Plan)
