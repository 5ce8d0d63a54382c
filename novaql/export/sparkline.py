"""A row of samples as a line of block characters."""

from __future__ import annotations

import numpy as np

from novaql.tsdb.model.labels import Bools
from novaql.tsdb.model.samples import Floats

BLOCKS = "▁▂▃▄▅▆▇█"
_LEVELS = np.array([" ", *BLOCKS])


def sparkline(values: Floats, valid: Bools | None = None, *, width: int = 24) -> str:
    """One character a step, or the mean of several steps where there are more than `width`.

    The lowest value is `▁`, the highest `█`; a flat line is low if it is 0, else in the middle.
    A step without a finite value is a space; an infinite one is drawn at its end of the scale.
    """
    if len(values) == 0:
        return ""
    drawn = ~np.isnan(values) if valid is None else valid & ~np.isnan(values)
    finite = drawn & np.isfinite(values)
    if not drawn.any():
        return " " * min(width, len(values))
    # Scaled before any sum, so that the largest floats do not overflow.
    known = np.where(finite, values, 0.0)
    scale = float(np.abs(known).max())
    unit = known / scale if scale else known
    low = float(unit[finite].min()) if finite.any() else 0.0
    high = float(unit[finite].max()) if finite.any() else 0.0
    unit = np.where(drawn & ~finite, np.where(values > 0, high, low), unit)
    cells = min(width, len(values))
    starts = np.arange(cells) * len(values) // cells
    counts = np.add.reduceat(drawn.astype(np.int64), starts)
    means = np.add.reduceat(np.where(drawn, unit, 0.0), starts) / np.maximum(counts, 1)
    if high > low:
        heights = np.rint((means - low) / (high - low) * (len(BLOCKS) - 1)).astype(np.int64) + 1
        heights = np.clip(heights, 1, len(BLOCKS))
    else:
        heights = np.full(cells, 1 if high == 0 else len(BLOCKS) // 2)
    return "".join(_LEVELS[np.where(counts > 0, heights, 0)].tolist())
