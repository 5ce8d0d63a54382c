"""Random samples with windows over them, in both layouts, and the plain list of each window."""

from __future__ import annotations

from dataclasses import dataclass

import hypothesis.strategies as st
import numpy as np

from novaql.evaluator.kernels.windows import Floats, Windows, ragged_windows, regular_windows

Sample = tuple[int, float]

plain_values = st.one_of(
    st.floats(-1e6, 1e6),
    st.integers(-5, 5).map(float),
    st.sampled_from([0.0, -0.0, float("inf"), float("-inf"), float("nan")]),
)
finite_values = st.one_of(st.floats(-1e6, 1e6), st.integers(0, 9).map(float))


@dataclass(frozen=True)
class Case:
    """windows, and contents[series][step]: the samples in each window, by plain comparison."""

    windows: Windows
    contents: list[list[list[Sample]]]
    ends_ms: list[int]
    range_ms: int

    def on_grid(self, out: Floats, valid: object) -> tuple[Floats, Floats]:
        values, there = self.windows.on_grid(out, np.asarray(valid))
        return values, np.broadcast_to(there, values.shape)


@st.composite
def cases(draw: st.DrawFn, values: st.SearchStrategy[float] = plain_values) -> Case:
    """One to three series with up to twelve samples, one to six steps."""
    regular = draw(st.booleans())
    series = draw(st.integers(1, 3))
    times = st.lists(st.integers(0, 60), max_size=12, unique=True).map(sorted)
    shared = draw(times)
    grids = [shared if regular else draw(times) for _ in range(series)]
    rows = [[(t, draw(values)) for t in grid] for grid in grids]
    start, step = draw(st.integers(-5, 50)), draw(st.integers(1, 20))
    ends = [start + step * j for j in range(draw(st.integers(1, 6)))]
    range_ms = draw(st.integers(1, 40))
    ends_array = np.array(ends, np.int64)
    if regular:
        matrix = np.array([[v for _, v in row] for row in rows]).reshape(series, len(shared))
        windows = regular_windows(matrix, np.array(shared, np.int64), ends_array, range_ms)
    else:
        offsets = np.concatenate([[0], np.cumsum([len(g) for g in grids])]).astype(np.int64)
        windows = ragged_windows(
            np.array([v for row in rows for _, v in row], np.float64),
            np.array([t for row in rows for t, _ in row], np.int64),
            offsets,
            ends_array,
            range_ms,
        )
    contents = [[[s for s in row if end - range_ms < s[0] <= end] for end in ends] for row in rows]
    return Case(windows, contents, ends, range_ms)
