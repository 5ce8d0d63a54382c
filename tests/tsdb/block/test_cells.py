"""Cells against sums made one by one, however the stream is cut into pages."""

from __future__ import annotations

import itertools
import math
import struct
import tempfile

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from novaql import tsdb
from novaql.tsdb.block.summarise import STATISTICS, WHOLE, Summing, cut_cells
from novaql.tsdb.model.samples import STALE_BITS

values = st.one_of(
    st.integers(-20, 20).map(float),
    st.just(-0.0),
    st.just(float("nan")),
    st.just(STALE_BITS).map(lambda bits: float(np.array([bits], np.uint64).view(np.float64)[0])),
)
times = st.lists(st.integers(-40, 40), min_size=1, max_size=9, unique=True).map(sorted)


def bits(value: float) -> bytes:
    return b"NaN" if math.isnan(value) else struct.pack("<d", value)


def plainly(samples: list[float]) -> dict[str, float]:
    live = [v for v in samples if np.array([v]).view(np.uint64)[0] != STALE_BITS]
    out = dict.fromkeys(STATISTICS, math.nan)
    out["count"] = float(len(live))
    if not live:
        return out
    odd = any(math.isnan(v) or (v == 0 and math.copysign(1, v) < 0) for v in live)
    out["min"], out["max"] = (math.nan, math.nan) if odd else (min(live), max(live))
    out["sum"] = sum(live)
    out["first"], out["last"] = live[0], live[-1]
    steps = itertools.pairwise(live)
    out["increase"] = sum((b if b < a else b - a for a, b in steps), 0.0)
    return out


@given(st.lists(times, min_size=1, max_size=4), st.sampled_from([WHOLE, 1, 7, 100]), st.data())
def test_cells_hold_what_was_put_in(
    grids: list[list[int]], resolution: int, data: st.DataObject
) -> None:
    grid_of = data.draw(st.lists(st.integers(0, len(grids) - 1), min_size=1, max_size=5))
    lengths = np.array([len(grid) for grid in grids])
    cells = cut_cells(np.concatenate([np.array(g) for g in grids]), lengths, resolution)
    series = [
        data.draw(st.lists(values, min_size=len(grids[g]), max_size=len(grids[g]))) for g in grid_of
    ]
    flat = np.array([value for one in series for value in one])
    summing = Summing(cells.of_series(np.array(grid_of)))
    cuts = data.draw(st.lists(st.integers(1, max(1, len(flat) - 1)), unique=True).map(sorted))
    for page in np.split(flat, cuts):
        if len(page):
            summing.take(page)
    found = summing.done()

    wanted: list[dict[str, float]] = []
    lasts: list[int] = []
    for g in range(len(grids)):
        names = [0 if resolution == WHOLE else (t - 1) // resolution for t in grids[g]]
        lasts += dict(zip(names, grids[g], strict=True)).values()
    for g, one in zip(grid_of, series, strict=True):
        names = [0 if resolution == WHOLE else (t - 1) // resolution for t in grids[g]]
        wanted += [
            plainly([v for v, n in zip(one, names, strict=True) if n == cell])
            for cell in sorted(set(names))
        ]
    assert cells.last.tolist() == lasts
    for name in STATISTICS:
        got = [bits(value) for value in found[name].tolist()]
        if name in ("sum", "increase"):  # zeros of either sign are the same sum
            got = [bits(value + 0.0) for value in found[name].tolist()]
            assert got == [bits(one[name] + 0.0) for one in wanted], name
        else:
            assert got == [bits(one[name]) for one in wanted], name


def test_numbers_too_large_to_be_added_are_no_matter() -> None:
    """Any bits may be merged, and nobody is warned of them."""
    huge = [1.7e308, 0.0, 1.7e308, 0.0, 1.7e308, 5e-324]
    odd = [float("inf"), -1.7e308, float("-inf"), float("nan")]
    samples = np.array([*huge, *odd])
    table = tsdb.SeriesTable.from_dicts([{"a": "b"}])
    with tempfile.TemporaryDirectory() as place, tsdb.open(place, sync="os") as database:
        for at, value in enumerate(samples.tolist()):
            one = np.array([at])
            database.append(tsdb.Batch(table, np.array([0]), one, np.array([value])))
            if at % 4 == 3:
                database.flush()
        database.compact()
        (view,) = database.select([], 0, 100).views()
        found = view.values.ravel()
        assert database.check() == []
    assert found.view(np.uint64).tolist() == samples.view(np.uint64).tolist()
