from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import Any

import pytest

from novaql.errors import InputError
from novaql.inputs.file_formats import format_of
from novaql.inputs.open_any import open_stream
from novaql.inputs.protobuf.exposition import ProtobufParser
from novaql.inputs.read_options import FileKind
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Metadata
from tests.support.messages.metric_families import (
    COUNTER,
    GAUGE,
    GAUGE_HISTOGRAM,
    HISTOGRAM,
    delimited,
    family,
)

NOW = 1_700_000_000_000


def parse(data: bytes, *, always_classic: bool = False, starts: bool = True) -> Batch:
    parser = ProtobufParser(default_time_ms=NOW, always_classic=always_classic, starts=starts)
    batch = parser.feed(data)
    parser.finish()
    return batch


def labelled(batch: Batch) -> list[tuple[str, float]]:
    """Floats with their names and labels as text."""
    sets = batch.series.dicts()
    texts = [
        labels.pop("__name__") + "".join(f" {k}={v}" for k, v in sorted(labels.items()))
        for labels in sets
    ]
    rows = batch.series_index.tolist()
    return [(texts[row], value) for row, value in zip(rows, batch.values.tolist(), strict=True)]


def test_a_classic_histogram_becomes_the_series_of_the_text_format() -> None:
    made = family(
        "size",
        HISTOGRAM,
        {
            "labels": {"job": "api"},
            "histogram": {
                "sample_count": 7,
                "sample_sum": 2.5,
                "bucket": [
                    {"upper_bound": 1, "cumulative_count": 3},
                    {"upper_bound": 2.5, "cumulative_count": 200, "exemplar": {"value": 2.0}},
                ],
            },
        },
    )
    parser = ProtobufParser(default_time_ms=NOW)
    batch = parser.feed(delimited([made]))
    assert labelled(batch) == [
        ("size_count job=api", 7.0),
        ("size_sum job=api", 2.5),
        ("size_bucket job=api le=1.0", 3.0),
        ("size_bucket job=api le=2.5", 200.0),
        ("size_bucket job=api le=+Inf", 7.0),
    ]
    assert (batch.native, batch.starts, parser.exemplars) == (None, None, 1)


def test_type_help_and_unit_are_kept() -> None:
    made = family("temp_celsius", GAUGE_HISTOGRAM)
    made.help, made.unit = "How hot.", "celsius"
    parser = ProtobufParser(default_time_ms=NOW)
    assert len(parser.feed(delimited([made]))) == 0
    assert parser.metadata == {"temp_celsius": Metadata("gaugehistogram", "How hot.", "celsius")}


def test_the_same_series_share_one_table() -> None:
    parser = ProtobufParser(default_time_ms=NOW)
    metrics: list[dict[str, Any]] = [{"gauge": {"value": 1}}, {"labels": {"b": "c"}, "gauge": {}}]
    data = delimited([family("a", GAUGE, *metrics)])
    first = parser.feed(data)
    parser.start(NOW + 1)
    again = parser.feed(data)
    assert again.series is first.series
    assert again.timestamps.tolist() == [NOW + 1] * 2


def histogram(**fields: Any) -> bytes:
    return delimited([family("h", HISTOGRAM, {"histogram": {"zero_threshold": 1, **fields}})])


SPAN = [{"offset": 0, "length": 2}]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (delimited([family("", GAUGE)]), "message at byte 0: a metric family has no name"),
        (delimited([family("x", 9)]), "x: there is no metric type 9"),
        (
            delimited([family("ok", GAUGE), family("x", GAUGE, {"counter": {"value": 1}})]),
            "message at byte 7: x: byte 7: a metric of type gauge has no such content",
        ),
        (
            delimited([family("x", GAUGE, {"labels": {"__name__": "y"}, "gauge": {}})]),
            "x: a metric has the label __name__",
        ),
        (
            delimited([family("x", HISTOGRAM, {"labels": {"le": "1"}, "histogram": {}})]),
            "x: a metric of type histogram has the label le",
        ),
        (histogram(schema=60), "h: there is no schema 60"),
        (histogram(schema=-53), "schema -53 needs bounds"),
        (
            histogram(positive_span=SPAN, positive_delta=[1]),
            "have 2 buckets, but there are 1",
        ),
        (histogram(positive_span=SPAN, positive_delta=[1, -2]), "a bucket has the count -1"),
        (
            histogram(sample_count=5, positive_span=SPAN, positive_delta=[1, 1]),
            "its buckets hold 3 observations, its count is 5",
        ),
        (
            histogram(
                sample_count=2,
                negative_span=[{"offset": 0, "length": 1}, {"offset": -1, "length": 1}],
                negative_delta=[1, 0],
            ),
            "a span begins before the end",
        ),
        (
            delimited([family("x", GAUGE, {"gauge": {}, "timestamp_ms": 2**63 - 1})]),
            f"message: the time {2**63 - 1} ms is out of range",
        ),
        (
            delimited(
                [family("x", COUNTER, {"counter": {"created_timestamp": {"seconds": 2**62}}})]
            ),
            f"the time {2**62} s is out of range",
        ),
        (histogram()[:-1], "the message at byte 0 is cut off"),
        (b"\x80" * 11, "a number has more than ten bytes"),
        (b"\xff\xff\xff\xff\x7f", "it claims to have"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(data: bytes, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(data)
    assert reason in str(caught.value)


def test_nan_observations_are_in_no_bucket() -> None:
    batch = parse(histogram(sample_count=5, sample_sum=math.nan, zero_count=1))
    assert batch.native is not None
    assert batch.native.histograms.count.tolist() == [5.0]


def test_starts_can_be_left_out() -> None:
    stamp = {"seconds": 5, "nanos": 0}
    data = delimited([family("c", COUNTER, {"counter": {"value": 1, "created_timestamp": stamp}})])
    found = parse(data).starts
    assert found is not None
    assert found.tolist() == [5000]
    assert parse(data, starts=False).starts is None


@pytest.mark.parametrize("name", ["m.pb", "m.pb.gz", "without_suffix"])
def test_files_are_known_by_name_or_content(tmp_path: Path, name: str) -> None:
    data = delimited([family("up", GAUGE, {"gauge": {"value": 1}, "timestamp_ms": 5})])
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert format_of(path).kind is FileKind.PROTOBUF
    stream = open_stream(path)
    source = stream.collect()
    assert source.samples == 1
    assert source.time_range() == (5, 5)
    assert source.metadata() == {"up": Metadata("gauge")}


@pytest.mark.parametrize(
    "text", ["#\nup_and_running_for_a_long_time_now 1\n", "# HELP a b\na 1\n", "up 1\n"]
)
def test_text_is_not_taken_for_protobuf(tmp_path: Path, text: str) -> None:
    path = tmp_path / "text"
    path.write_text(text)
    assert format_of(path).kind is FileKind.TEXT
