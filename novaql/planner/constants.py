"""Values of scalar expressions that are the same at all times."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping

from novaql.options import QueryOptions


def _divided(left: float, right: float) -> float:
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def _remainder(left: float, right: float) -> float:
    return math.nan if right == 0 or math.isinf(left) else math.fmod(left, right)


def _power(left: float, right: float) -> float:
    try:
        return math.pow(left, right)
    except OverflowError:
        odd = right == int(right) and int(right) % 2 == 1
        return -math.inf if left < 0 and odd else math.inf
    except ValueError:
        if left != 0:
            return math.nan
        odd = right == int(right) and int(right) % 2 == 1
        return math.copysign(math.inf, left) if odd else math.inf


_OPERATIONS: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": _divided, "%": _remainder,
    "^": _power, "atan2": math.atan2, "==": operator.eq, "!=": operator.ne, ">": operator.gt,
    "<": operator.lt, ">=": operator.ge, "<=": operator.le,
}  # fmt: skip


def constant_operation(op: str, left: float, right: float) -> float:
    """Return the value of an operator between two numbers, by IEEE 754; of comparisons, 0 or 1."""
    return float(_OPERATIONS[op](left, right))


def constant_call(function: str, values: list[float], options: QueryOptions) -> float:
    """Return the value of a function of the query's own times, or of numbers."""
    match function:
        case "pi":
            return math.pi
        case "start":
            return options.start_ms / 1000
        case "end":
            return options.end_ms / 1000
        case "step":
            return options.step_ms / 1000
        case "range":
            return 0.0 if options.instant else (options.end_ms - options.start_ms) / 1000
        case "min_of" | "max_of":
            if any(map(math.isnan, values)):
                return math.nan
            return min(values) if function == "min_of" else max(values)
        case _:
            raise AssertionError(function)
