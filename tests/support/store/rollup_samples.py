"""Random scrapes whose rollups are difficult, and the bits of answers to compare."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np

from novaql import Result
from novaql.tsdb.model.samples import STALE
from tests.support.store.model import Sample

MINUTE = 60_000
values = st.one_of(
    st.integers(-9, 9).map(float),
    st.sampled_from([0.5, -0.0, float("nan"), float("inf"), STALE, 1e300]),
)


@st.composite
def scrapes(draw: st.DrawFn) -> list[Sample]:
    """Scrapes of some series over a part of two hours."""
    first = draw(st.integers(0, 100)) * MINUTE + draw(st.sampled_from([0, 0, 1, 7]))
    names = draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True))
    return [
        (
            {"__name__": "m", "n": name},
            first + n * draw(st.sampled_from([30_000, MINUTE])),
            draw(values),
        )
        for name in names
        for n in range(draw(st.integers(1, 9)))
    ]


def bits_of(result: Result, *, zeros_are_equal: bool = False) -> dict[str, tuple[bytes, bytes]]:
    """The bits of each series; optionally without the sign of zero.

    Of 0 and -0, which are equal, a minimum or maximum is either (docs/how-to/keep-years.md).
    """
    valid = np.ones(result.values.shape, bool) if result.valid is None else result.valid
    bits = np.where(valid, result.values, 0.0)
    bits = np.where(np.isnan(bits), np.nan, bits)  # a maximum may be any of several NaNs
    if zeros_are_equal:
        bits = bits + 0.0
    return {
        str(labels): (bits[row].tobytes(), valid[row].tobytes())
        for row, labels in enumerate(result.series)
    }
