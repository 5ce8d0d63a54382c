"""Pearson's coefficient of windows, compiled and in NumPy, beside `numpy.corrcoef`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from novaql.evaluator.kernels.correlations import correlations
from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.evaluator.kernels.windows import ragged_windows
from novaql.tsdb.runtime.compiled import Mode

SERIES, SAMPLES, RANGE_MS = 5, 40, 10_000


@pytest.mark.parametrize("mode", [Mode.ON, Mode.OFF])
def test_both_kernels_return_what_numpy_does(mode: Mode) -> None:
    rng = np.random.default_rng(7)
    offsets = np.arange(SERIES + 1) * SAMPLES
    times = np.tile(np.arange(SAMPLES) * 1000, SERIES)
    x = rng.normal(1e6, 1, SERIES * SAMPLES)
    y = np.where(np.repeat(np.arange(SERIES), SAMPLES) == 3, 8.0, x + rng.normal(0, 1, len(x)))
    x[2 * SAMPLES + 7] = np.nan
    windows = ragged_windows(x, times, offsets, np.arange(0, SAMPLES * 1000, 2500), RANGE_MS)
    checks: list[None] = []
    with KERNELS.forced(mode):
        found, valid = correlations(
            windows, replace(windows, values=y), lambda: checks.append(None)
        )
    assert checks
    series = windows.lo // SAMPLES
    assert (valid == ((windows.counts >= 2) & (series != 3))).all()
    for at in np.flatnonzero(valid).tolist():
        part = slice(windows.lo[at], windows.hi[at])
        expected = np.corrcoef(x[part], y[part])[0, 1]
        assert found[at] == pytest.approx(expected, abs=1e-6, nan_ok=True)
