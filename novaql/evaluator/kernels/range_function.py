"""An entry of the registry of functions over ranges: the kernels and properties of a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from novaql.evaluator.kernels.cells import CellKernel
from novaql.evaluator.kernels.extended import Extended
from novaql.evaluator.kernels.strips import StripRollup
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows
from novaql.fast_dataclass import dataclass

WindowKernel = Callable[[Windows, Sequence[Floats], Ints], tuple[Floats, Bools]]
"""(windows, scalar arguments in the order of the call, evaluation times): each shaped like lo."""
PlainKernel = Callable[[Windows], tuple[Floats, Bools]]


@dataclass(frozen=True, slots=True)
class RangeFunction:
    """Kernels of a function over ranges, and its properties that operators use.

    windows       NumPy, over windows of samples
    strips        compiled, over batches; None: NumPy always runs the function
    cells         NumPy, over rollup cells; None: rollups do not answer it
    exact_ends    NumPy, over `anchored` windows; None: the function takes no modifier
    anchored      compiled, over `anchored` windows; None: NumPy always runs them
    smoothed      `exact_ends` also takes `smoothed` windows
    retains_name    the result is still a sample of the metric
    counter_only  the function is meaningful for counters alone
    reads_starts  the result depends on start timestamps, which compiled kernels do not read
    whole_window  the work grows with the samples in a window
    slides        the compiled kernel of a `whole_window` function reads each sample once
    floats_only   native histograms are ignored
    takes_lookback  the kernel has the lookback in seconds as its last argument
    anchors       windows are always `anchored`: the plan marks the selector
    """

    windows: WindowKernel
    strips: StripRollup | None = None
    cells: CellKernel | None = None
    exact_ends: Callable[[Extended], tuple[Floats, Bools]] | None = None
    anchored: StripRollup | None = None
    smoothed: bool = False
    retains_name: bool = False
    counter_only: bool = False
    reads_starts: bool = False
    whole_window: bool = False
    slides: bool = False
    floats_only: bool = False
    takes_lookback: bool = False
    anchors: bool = False


def plain(kernel: PlainKernel) -> WindowKernel:
    return lambda windows, scalars, eval_ms: kernel(windows)


def of_values(
    kernel: WindowKernel,
    compiled: StripRollup | None = None,
    *,
    retains_name: bool = False,
    slides: bool = False,
) -> RangeFunction:
    """A function of all floats of a window, which ignores histograms."""
    return RangeFunction(
        kernel,
        compiled,
        retains_name=retains_name,
        whole_window=True,
        slides=slides,
        floats_only=True,
    )
