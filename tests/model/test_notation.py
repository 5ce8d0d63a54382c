"""Series, values and histograms as scripts write them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.model.float_histogram import CUSTOM_SCHEMA, FloatHistogram, ResetHint, Span
from novaql.model.histogram_notation import format_histogram, parse_histogram
from novaql.model.label_set import labels_of
from novaql.model.problems import NotationProblem
from novaql.model.sample_notation import format_float, is_stale_marker, parse_float
from novaql.model.series_notation import NamedHint, parse_values, split_series
from novaql.promqltest.durations import duration_ms, signed_duration_ms
from novaql.promqltest.floats import floats_equal
from novaql.promqltest.load_parser import parse_starts
from novaql.text.labels import series_text
from tests.support.histograms.float_histograms import float_histograms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 -2.5 +Inf 1e3", [1, -2.5, math.inf, 1000]),
        ("_ 1 _x2", [None, 1, None, None]),
        ("5x0", [5]),
        ("5x2", [5, 5, 5]),
        ("0+10x3", [0, 10, 20, 30]),
        ("-2-1.5x2", [-2, -3.5, -5]),
        ("1-2x1 1", [1, -1, 1]),
        ("0+1e-1x1", [0, 0.1]),
        ("_x0", []),
    ],
)
def test_values_expand(text: str, expected: list[float | None]) -> None:
    assert expected == parse_values(text)


def test_stale_is_the_marker_and_no_ordinary_nan() -> None:
    stale, nan = parse_values("stale NaN")

    assert isinstance(stale, float)
    assert isinstance(nan, float)
    assert is_stale_marker(stale)
    assert math.isnan(nan)
    assert not is_stale_marker(nan)


@pytest.mark.parametrize("text", ["0x10x", "1+2", "1h", "x3", "{{count:1}}+{{count:1}}", "1 {2}"])
def test_other_values_are_refused(text: str) -> None:
    with pytest.raises(NotationProblem):
        parse_values(text)


@pytest.mark.usefixtures("soon")
def test_the_time_of_a_long_word_grows_with_its_length() -> None:
    with pytest.raises(NotationProblem):
        parse_values("1" * 200_000 + "y")


@pytest.mark.parametrize(
    ("line", "labels", "rest"),
    [
        ("up 1", {"__name__": "up"}, " 1"),
        ('m{a="b",c="d"} 1', {"__name__": "m", "a": "b", "c": "d"}, " 1"),
        ("start{} 1", {"__name__": "start"}, " 1"),
        ('{__name__="x"} 1', {"__name__": "x"}, " 1"),
        ('{"my metric", "a label"="v"} 1', {"__name__": "my metric", "a label": "v"}, " 1"),
        ('m{a="x"}@st 0', {"__name__": "m", "a": "x"}, "@st 0"),
        ("{} 4", {}, " 4"),
        ('m{a=""} 4', {"__name__": "m"}, " 4"),
        ("m {{count:1}}", {"__name__": "m"}, " {{count:1}}"),
    ],
)
def test_a_line_begins_with_a_series(line: str, labels: dict[str, str], rest: str) -> None:
    assert (labels_of(labels), rest) == split_series(line)


@given(
    st.dictionaries(st.sampled_from(["__name__", "a", "b c"]), st.text('ab\\" \n{}', min_size=1))
)
def test_labels_read_back(label_set: dict[str, str]) -> None:
    labels = labels_of(label_set)

    assert (labels, "") == split_series(series_text(dict(labels)))


@given(st.floats())
def test_floats_read_back(value: float) -> None:
    back = parse_float(format_float(value))

    assert back is not None
    assert back == value or (math.isnan(back) and math.isnan(value))


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (1.0, 1.0000015, True),
        (1.0, 1.000003, False),
        (0.0, 1e-300, False),
        (0.0, -0.0, True),
        (math.nan, math.nan, True),
        (math.inf, math.inf, True),
        (math.inf, 1e308, False),
        (-1.0, 1.0, False),
        (1.7e308, 1.7e308 * (1 + 1e-7), True),
    ],
)
def test_tolerance_is_relative_to_the_sum(a: float, b: float, equal: bool) -> None:
    assert floats_equal(a, b) is equal
    assert floats_equal(b, a) is equal


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("0", 0), ("1m30s", 90_000), ("100ms", 100), ("1y2w3d", 33_004_800_000)],
)
def test_durations(text: str, milliseconds: int) -> None:
    assert milliseconds == duration_ms(text)
    assert -milliseconds == signed_duration_ms(f"-{text}")


@pytest.mark.parametrize("text", ["", "5", "1.5h", "30s1m", "1m1m", "-1m", "1 m"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(NotationProblem):
        duration_ms(text)


def test_start_timestamps_expand() -> None:
    assert parse_starts("_ _x1 -30s-1mx1 0 5ms") == (None, None, -30_000, -90_000, 0, 5)


# --- native histograms -----------------------------------------------------------------------


@given(float_histograms())
def test_histograms_read_back(histogram: FloatHistogram) -> None:
    back, hint_given = parse_histogram(format_histogram(histogram))

    assert histogram.compacted() == back.compacted()
    assert hint_given is (histogram.hint is not ResetHint.UNKNOWN)


def test_a_histogram_with_everything() -> None:
    text = (
        "{{schema:1 sum:-0.3 count:3.1 z_bucket:7.1 z_bucket_w:0.05 buckets:[5.1 10 7] "
        "offset:-3 n_buckets:[4.1 5 6] n_offset:-5 counter_reset_hint:gauge}}"
    )

    assert (
        FloatHistogram(
            schema=1,
            count=3.1,
            sum=-0.3,
            zero_count=7.1,
            zero_threshold=0.05,
            positive=(Span(-3, (5.1, 10, 7)),),
            negative=(Span(-5, (4.1, 5, 6)),),
            hint=ResetHint.GAUGE,
        ),
        True,
    ) == parse_histogram(text)


def test_custom_buckets() -> None:
    found, _ = parse_histogram("{{schema:-53 sum:5 count:4 custom_values:[5 10] buckets:[1 4 3]}}")

    assert (found.schema, found.custom_values) == (CUSTOM_SCHEMA, (5.0, 10.0))


@pytest.mark.parametrize(
    "text",
    [
        "{{schema:9}}",
        "{{sum:1 sum:2}}",
        "{{size:1}}",
        "{{count:x}}",
        "{{buckets:1}}",
        "{{counter_reset_hint:maybe}}",
        "{{custom_values:[1]}}",
        "{{sum}}",
    ],
)
def test_other_histograms_are_refused(text: str) -> None:
    with pytest.raises(NotationProblem):
        parse_histogram(text)


def test_histogram_runs_add_the_second_again_and_again() -> None:
    items = parse_values("{{count:1 buckets:[1]}}+{{count:2 buckets:[0 2]}}x2")

    assert [
        item.histogram.compacted().positive[0].counts
        for item in items
        if isinstance(item, NamedHint)
    ] == [(1.0,), (1.0, 2.0), (1.0, 4.0)]


def test_a_finer_histogram_cannot_start_a_run() -> None:
    with pytest.raises(NotationProblem, match="error combining histograms"):
        parse_values("{{schema:1 buckets:[1]}}+{{schema:0 buckets:[1]}}x1")
