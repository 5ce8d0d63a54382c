"""Window kernels that check their scalar arguments."""

from __future__ import annotations

import math
from collections.abc import Sequence

from novaql.errors import EvaluationError
from novaql.evaluator.kernels.registry import RANGE_FUNCTIONS, WindowKernel
from novaql.evaluator.kernels.seasons import MOST_PERIODS
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows
from novaql.text.go_text import go_number


def window_kernel(function: str) -> WindowKernel:
    """The kernel of a function over range vectors. It raises an error for an invalid argument."""
    if function == "double_exponential_smoothing":
        return _smoothing
    if function == "seasonal_baseline":
        return _seasonal
    return RANGE_FUNCTIONS[function].windows


def _smoothing(windows: Windows, factors: Sequence[Floats], eval_ms: Ints) -> tuple[Floats, Bools]:
    """Both factors lie between 0 and 1. NaN is accepted: the result of smoothing by it is NaN."""
    for values, what, short in zip(factors, ("smoothing", "trend"), ("sf", "tf"), strict=True):
        wrong = values[((values <= 0) | (values >= 1)) & (windows.counts > 0)]
        if len(wrong):
            value = float(wrong[0])
            got = go_number(value) if math.isinf(value) else f"{value:f}"
            raise EvaluationError(f"invalid {what} factor. Expected: 0 < {short} < 1, got: {got}")
    return RANGE_FUNCTIONS["double_exponential_smoothing"].windows(windows, factors, eval_ms)


def _seasonal(windows: Windows, scalars: Sequence[Floats], eval_ms: Ints) -> tuple[Floats, Bools]:
    """The period is greater than 0, and the range has at most `MOST_PERIODS` of them."""
    period = scalars[0]
    wrong = ~(period > 0) | (windows.range_ms / 1000.0 > period * MOST_PERIODS)
    if wrong.any():
        raise EvaluationError(
            "seasonal_baseline(): the period must be greater than 0 and at least a "
            f"{MOST_PERIODS}th of the range, got {period[wrong][0]:g} seconds"
        )
    return RANGE_FUNCTIONS["seasonal_baseline"].windows(windows, scalars, eval_ms)
