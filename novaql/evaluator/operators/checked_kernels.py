"""Window kernels whose scalar arguments are checked where samples are asked with them."""

from __future__ import annotations

from collections.abc import Sequence

from novaql.errors import EvaluationError
from novaql.evaluator.kernels.registry import RANGE_FUNCTIONS, WindowKernel
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows


def window_kernel(function: str) -> WindowKernel:
    """The kernel of a function over range vectors; it raises where an argument is none."""
    if function == "double_exponential_smoothing":
        return _smoothing
    return RANGE_FUNCTIONS[function].windows


def _smoothing(windows: Windows, factors: Sequence[Floats], eval_ms: Ints) -> tuple[Floats, Bools]:
    """Both factors lie between 0 and 1. NaN is not refused: what is smoothed by it is NaN."""
    for values, what, short in zip(factors, ("smoothing", "trend"), ("sf", "tf"), strict=True):
        wrong = values[((values <= 0) | (values >= 1)) & (windows.counts > 0)]
        if len(wrong):
            raise EvaluationError(
                f"invalid {what} factor. Expected: 0 < {short} < 1, got: {wrong[0]:f}"
            )
    return RANGE_FUNCTIONS["double_exponential_smoothing"].windows(windows, factors, eval_ms)
