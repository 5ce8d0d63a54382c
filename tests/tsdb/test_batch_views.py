"""Views of a batch hold exactly its samples of a range, staleness markers and starts among them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.tsdb.model.batch_views import BatchViews, SeriesView
from novaql.tsdb.model.samples import STALE, is_stale
from novaql.tsdb.model.series_batch import SeriesBatch
from novaql.tsdb.read.staleness import split_markers

Sample = tuple[int, bytes, int]
GRIDS = [list(range(0, 60, 3)), list(range(1, 50, 2)), [7], list(range(5, 55))]


def ragged(series: list[tuple[int, list[int]]], *, starts: bool) -> SeriesView:
    """Series of these grids, with staleness markers at these positions."""
    times = [np.array(GRIDS[grid], np.int64) for grid, _ in series]
    values = [np.arange(len(t)) + 100.0 * number for number, t in enumerate(times)]
    for (_, marked), of_series in zip(series, values, strict=True):
        of_series[[place % len(of_series) for place in marked]] = STALE
    flat = np.concatenate(times)
    offsets = np.append(0, np.cumsum([len(t) for t in times])).astype(np.int64)
    begun = flat // 4 if starts else None
    return SeriesView(np.arange(len(series)), flat, np.concatenate(values), offsets, begun)


def samples(view: SeriesView) -> dict[int, list[Sample]]:
    flat = view.ragged()
    assert flat.offsets is not None
    begun = np.zeros(len(flat.timestamps), np.int64) if flat.starts is None else flat.starts
    columns = flat.timestamps.tolist(), [v.tobytes() for v in flat.values], begun.tolist()
    every = list(zip(*columns, strict=True))
    bounds = flat.offsets.tolist()
    return {row: every[bounds[i] : bounds[i + 1]] for i, row in enumerate(flat.rows.tolist())}


def united(views: BatchViews) -> dict[int, list[Sample]]:
    found: dict[int, list[Sample]] = {}
    for view in views:
        part = samples(view)
        assert found.keys().isdisjoint(part)
        found |= part
    return found


@given(
    series=st.lists(
        st.tuples(st.integers(0, 3), st.lists(st.integers(0, 40), max_size=3)), min_size=1
    ),
    bounds=st.tuples(st.integers(-5, 65), st.integers(-5, 65)),
    starts=st.booleans(),
)
def test_views_hold_the_samples_of_the_range(
    series: list[tuple[int, list[int]]], bounds: tuple[int, int], starts: bool
) -> None:
    whole, (first, last) = ragged(series, starts=starts), (min(bounds), max(bounds))
    expected = {
        row: [sample for sample in every if first <= sample[0] <= last]
        for row, every in samples(whole).items()
    }
    assert whole.offsets is not None
    batch = split_markers(
        SeriesBatch.ragged(whole.rows, whole.timestamps, whole.values, whole.offsets, whole.starts)
    )

    assert united(BatchViews(batch, first, last)) == expected
    for row, every in united(BatchViews(batch, first, last, exact=False, markers=False)).items():
        visible = [s for s in expected[row] if not is_stale(np.frombuffer(s[1])).all()]
        assert set(visible) <= set(every) <= set(samples(whole)[row])
    assert beside(BatchViews(batch, first, last, exact=False)) == {
        (row, sample[0], following(sample[0], samples(whole)[row], (first, last)))
        for row, every in expected.items()
        for sample in every
        if is_marker(sample)
    }


def is_marker(sample: Sample) -> bool:
    return bool(is_stale(np.frombuffer(sample[1])).all())


def following(marker: int, every: list[Sample], bounds: tuple[int, int]) -> int | None:
    """Time of the next sample in the range that is no marker; None if there is none."""
    after = [s[0] for s in every if s[0] > marker and not is_marker(s) and s[0] <= bounds[1]]
    return min(after, default=None)


def beside(views: BatchViews) -> set[tuple[int, int, int | None]]:
    """(row, time of a marker, time of the next sample in the range) of markers beside samples."""
    found: set[tuple[int, int, int | None]] = set()
    for view in views:
        assert not is_stale(view.values).any()
        for part in (view, *(view.rows_between(k, k + 1) for k in range(view.series_count))):
            if part.markers is None:
                continue
            rows = part.rows[part.markers.series].tolist()
            times, nexts = part.markers.times_ms.tolist(), part.markers.next_ms.tolist()
            last = views.range_ms[1]
            found |= {
                (row, time, following if following <= last else None)
                for row, time, following in zip(rows, times, nexts, strict=True)
            }
    return found


@pytest.mark.parametrize("marked", [False, True])
def test_series_of_one_grid_are_a_matrix(marked: bool) -> None:
    times, values = np.arange(100) * 15, np.arange(10_000.0).reshape(100, 100)
    values[:, 50] = STALE if marked else 0.0
    batch = split_markers(SeriesBatch.regular(np.arange(100), times, values))

    (view,) = BatchViews(batch, 150, 900)

    assert view.offsets is None
    np.testing.assert_array_equal(view.timestamps, times[10:61])
    np.testing.assert_array_equal(view.values.view(np.uint64), values[:, 10:61].view(np.uint64))
    assert marked or np.shares_memory(view.values, batch.values)
