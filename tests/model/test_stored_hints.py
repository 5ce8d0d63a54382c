"""Reset hints as storage gives them back, and the columns the engine reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.model.float_histogram import FloatHistogram
from novaql.model.histogram_columns import columns_of, histogram_at
from novaql.model.series_notation import NamedHint, parse_values
from novaql.model.stored_hints import Stored, with_stored_hints
from tests.support.histograms.float_histograms import float_histograms


def hints(text: str) -> list[str]:
    samples: dict[int, Stored] = {}
    for place, item in enumerate(parse_values(text)):
        if item is not None:
            samples[place] = item.histogram if isinstance(item, NamedHint) else item
    return [histogram.hint.value for histogram in with_stored_hints(samples).values()]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("{{count:1}} {{count:2}} {{count:2}}", ["unknown", "not_reset", "not_reset"]),
        ("{{count:2}} {{count:1}} {{count:1}}", ["unknown", "unknown", "not_reset"]),
        ("{{count:1}} 5 {{count:2}}", ["unknown", "unknown"]),
        ("{{count:1}} stale {{count:2}}", ["unknown", "unknown"]),
        ("{{count:1}} _ {{count:2}}", ["unknown", "not_reset"]),
        ("{{count:1 counter_reset_hint:gauge}}x1", ["gauge", "gauge"]),
        ("{{count:1 counter_reset_hint:gauge}} {{count:2}}", ["gauge", "unknown"]),
        ("{{count:1}} {{count:2 counter_reset_hint:reset}}", ["unknown", "unknown"]),
        ("{{schema:1 count:1}} {{schema:0 count:2}}", ["unknown", "unknown"]),
        ("{{count:3 buckets:[1 2]}} {{count:4 buckets:[3 1]}}", ["unknown", "unknown"]),
        ("{{count:3 buckets:[1 2]}} {{count:4 buckets:[1 2 1]}}", ["unknown", "not_reset"]),
        ("{{count:1 z_bucket:1}} {{count:1 buckets:[1]}}", ["unknown", "unknown"]),
    ],
)
def test_hints_by_what_stands_before(values: str, expected: list[str]) -> None:
    assert hints(values) == expected


@given(st.lists(float_histograms(), max_size=5))
def test_columns_give_back_every_histogram(histograms: list[FloatHistogram]) -> None:
    columns = columns_of(histograms)

    back = [histogram_at(columns, row) for row in range(len(columns))]

    assert back == [histogram.compacted() for histogram in histograms]
