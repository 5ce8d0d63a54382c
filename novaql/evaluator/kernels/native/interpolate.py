"""The value of a histogram between two of its samples."""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels.native.arithmetic import add, choose, scale, subtract
from novaql.evaluator.kernels.native.resets import detect_reset
from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.histograms import Floats, Histograms
from novaql.tsdb.model.labels import Bools


@dataclass(frozen=True, slots=True, eq=False)
class Between:
    """What became of N pairs.

    histograms   the values between; without meaning where the pair is not compatible
    compatible   [N] both exponential or both custom, or the value is that of one end
    bounds_differed_subtracting, bounds_differed_adding
                 [N] only the custom bounds that both had remain
    """

    histograms: Histograms
    compatible: Bools
    bounds_differed_subtracting: Bools
    bounds_differed_adding: Bools


def between(
    a: Histograms, b: Histograms, share: Floats, *, counter: Bools | bool = True
) -> Between:
    """a + (b - a) · share, pair by pair; a counter that was reset in between starts from an empty
    histogram.

    share: [N] 0 is a itself, 1 is b itself. counter: for all, or [N] for each.
    """
    inside = (share != 0) & (share != 1)
    fits = a.is_custom == b.is_custom
    reset = inside & fits & detect_reset(a, b) & counter
    linear = inside & fits & ~reset
    less = subtract(b, a, gauge=False)
    more = add(scale(less.histograms, share), a)
    middle = choose(reset, scale(b, share), more.histograms)
    ends = choose(share == 0, a, b)
    return Between(
        choose(inside, middle, ends),
        np.asarray(fits | ~inside),
        less.bounds_differed & linear,
        more.bounds_differed & linear,
    )
