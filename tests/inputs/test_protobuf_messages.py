from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novaql.errors import InputError
from novaql.inputs.batch_stream import concat_batches
from novaql.inputs.protobuf.exposition import ProtobufParser
from novaql.inputs.text.exposition import canonical_bound
from novaql.model.float_histogram import FloatHistogram, ResetHint, Span
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch
from tests.support.histograms.native_histograms import singles
from tests.support.messages.metric_families import (
    FAMILY_CLASSES,
    GAUGE_HISTOGRAM,
    HISTOGRAM,
    TYPES,
    delimited,
    family,
)
from tests.support.store.batches import bits

NOW = 1_700_000_000_000


def parse(data: bytes, *, always_classic: bool = False, starts: bool = True) -> Batch:
    parser = ProtobufParser(default_time_ms=NOW, always_classic=always_classic, starts=starts)
    batch = parser.feed(data)
    parser.finish()
    return batch


doubles = st.floats(width=64)
times = st.sampled_from([0, 1, -5, 1_600_000_000_000])
stamps = st.none() | st.fixed_dictionaries(
    {"seconds": st.sampled_from([0, 7, 1_600_000_000]), "nanos": st.sampled_from([0, 123_456_789])}
)
exemplars = st.none() | st.fixed_dictionaries({"value": doubles})
label_sets = st.dictionaries(
    st.sampled_from(["job", "zone", "a label"]), st.text(max_size=130), max_size=2
)


def filled(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(fields).map(
        lambda found: {name: value for name, value in found.items() if value is not None}
    )


bounds = st.lists(
    st.sampled_from([-1.0, 0.0, 0.25, 1.0, 5.0, 1e30, math.inf]), max_size=4, unique=True
)


@st.composite
def classic(draw: st.DrawFn) -> dict[str, Any]:
    buckets = [
        draw(
            filled(
                {
                    "upper_bound": st.just(bound),
                    "cumulative_count": st.integers(0, 2**40),
                    "cumulative_count_float": st.none() | st.just(0.5),
                    "exemplar": exemplars,
                }
            )
        )
        for bound in sorted(draw(bounds))
    ]
    return {
        "sample_count": draw(st.integers(0, 2**40)),
        "sample_sum": draw(doubles),
        "bucket": buckets,
    }


@st.composite
def spanned(draw: st.DrawFn) -> list[tuple[int, list[int]]]:
    """(number of the first bucket, populations) of some spans, apart from each other."""
    runs, at = [], draw(st.integers(-20, 20))
    for populations in draw(st.lists(st.lists(st.integers(0, 300), max_size=3), max_size=3)):
        runs.append((at, populations))
        at += len(populations) + draw(st.integers(0, 3))
    return runs


@st.composite
def native(draw: st.DrawFn) -> dict[str, Any]:
    found = draw(classic())
    whole = draw(st.booleans())
    seen: float = draw(st.integers(0, 9))
    found |= {"schema": draw(st.integers(-4, 11)), "zero_threshold": 0.5}
    found["zero_count" if whole else "zero_count_float"] = seen
    for side in ("positive", "negative"):
        end, before = 0, 0.0
        spans: list[dict[str, int]] = found.setdefault(f"{side}_span", [])
        for first, populations in draw(spanned()):
            spans.append({"offset": first - end, "length": len(populations)})
            end = first + len(populations)
            population: float
            for population in populations:
                if whole:
                    found.setdefault(f"{side}_delta", []).append(int(population - before))
                else:
                    found.setdefault(f"{side}_count", []).append(population / 2)
                    population /= 2
                before = population
                seen += population
    found["sample_count" if whole else "sample_count_float"] = seen if whole else seen + 1
    return found


contents = {
    "counter": filled({"value": doubles, "created_timestamp": stamps, "exemplar": exemplars}),
    "gauge": filled({"value": doubles}),
    "untyped": filled({"value": doubles}),
    "summary": filled(
        {
            "sample_count": st.integers(0, 2**63),
            "sample_sum": doubles,
            "created_timestamp": stamps,
            "quantile": st.lists(
                st.fixed_dictionaries(
                    {"quantile": st.sampled_from([0.0, 0.5, 0.99]), "value": doubles}
                ),
                max_size=3,
                unique_by=lambda pair: pair["quantile"],
            ),
        }
    ),
    "histogram": st.builds(
        lambda histogram, stamp: histogram | ({"created_timestamp": stamp} if stamp else {}),
        classic() | native(),
        stamps,
    ),
}


@st.composite
def texts(draw: st.DrawFn) -> list[Any]:
    """Families of one dialect, each with metrics of different labels."""
    syntax = draw(st.sampled_from(sorted(FAMILY_CLASSES)))
    made = []
    for number, kind in enumerate(draw(st.lists(st.integers(0, 5), max_size=4))):
        field = "histogram" if kind >= HISTOGRAM else TYPES[kind]
        metrics = draw(
            st.lists(
                filled(
                    {
                        "labels": label_sets,
                        field: contents[field],
                        "timestamp_ms": st.none() | times,
                    }
                ),
                max_size=3,
                unique_by=lambda metric: tuple(
                    sorted((k, v) for k, v in metric["labels"].items() if v)
                ),
            )
        )
        one = family(f"metric_{number}", kind, *metrics, syntax=syntax)
        one.help = draw(st.text(max_size=5))
        made.append(one)
    return made


Expected = dict[tuple[tuple[str, str], ...], tuple[int, int, Any]]


def walked(families: Sequence[Any], always_classic: bool) -> tuple[Expected, Expected]:
    """Floats and histograms (time, start, value), by walking over the messages themselves."""
    floats: Expected = {}
    natives: Expected = {}
    for one in families:
        kind = TYPES[one.type]
        field = "histogram" if one.type >= HISTOGRAM else kind
        for metric in one.metric:
            labels = {pair.name: pair.value for pair in metric.label if pair.value}
            content = getattr(metric, field)
            time = metric.timestamp_ms or NOW
            stamp = getattr(content, "created_timestamp", None)
            start = 0 if stamp is None else stamp.seconds * 1000 + stamp.nanos // 10**6

            def put(
                suffix: str,
                value: float,
                more: dict[str, str] | None = None,
                *,
                place: tuple[str, dict[str, str], int, int] = (one.name, labels, time, start),
            ) -> None:
                name, own, at, began = place
                key = {"__name__": name + suffix, **own, **(more or {})}
                floats[tuple(sorted(key.items()))] = (at, began, bits(value))

            if field == "summary":
                put("_count", content.sample_count)
                put("_sum", content.sample_sum)
                for pair in content.quantile:
                    put("", pair.value, {"quantile": canonical_bound(repr(pair.quantile))})
            elif field == "histogram":
                count = content.sample_count_float or content.sample_count
                is_native = content.zero_threshold > 0
                if is_native:
                    key = tuple(sorted({"__name__": one.name, **labels}.items()))
                    natives[key] = (time, start, _single(content, one.type))
                    if not (always_classic and content.bucket):
                        continue
                put("_count", count)
                put("_sum", content.sample_sum)
                counted = {b.upper_bound: b for b in content.bucket}
                for bound, bucket in counted.items():
                    value = bucket.cumulative_count_float or bucket.cumulative_count
                    put("_bucket", value, {"le": canonical_bound(repr(bound))})
                if math.inf not in counted:
                    put("_bucket", count, {"le": "+Inf"})
            else:
                put("", content.value)
    return floats, natives


def _single(content: Any, kind: int) -> FloatHistogram:
    whole = not content.sample_count_float

    def side(spans: Any, deltas: Any, populations: Any) -> tuple[Span, ...]:
        values = iter(np.cumsum(deltas, dtype=np.int64) if whole else populations)
        at = 0
        found: dict[int, float] = {}
        for span in spans:
            at += span.offset
            for _ in range(span.length):
                finer = max(content.schema - 8, 0)
                index = math.ceil(at / 2**finer)
                found[index] = found.get(index, 0.0) + float(next(values))
                at += 1
        return tuple(Span(index, (count,)) for index, count in sorted(found.items()) if count)

    return FloatHistogram(
        min(content.schema, 8),
        content.sample_count_float or float(content.sample_count),
        content.sample_sum,
        content.zero_count_float or float(content.zero_count),
        content.zero_threshold,
        side(content.positive_span, content.positive_delta, content.positive_count),
        side(content.negative_span, content.negative_delta, content.negative_count),
        (),
        ResetHint.GAUGE if kind == GAUGE_HISTOGRAM else ResetHint.UNKNOWN,
    )


def keys(series: SeriesTable) -> list[tuple[tuple[str, str], ...]]:
    return [tuple(sorted(labels.items())) for labels in series]


def apart(batch: Batch) -> tuple[Expected, Expected]:
    names = keys(batch.series)
    starts = np.zeros(len(batch.values), np.int64) if batch.starts is None else batch.starts
    floats = {
        names[row]: (time, start, bits(value))
        for row, time, start, value in zip(
            batch.series_index.tolist(),
            batch.timestamps.tolist(),
            starts.tolist(),
            batch.values,
            strict=True,
        )
    }
    natives: Expected = {}
    if batch.native is not None:
        found = batch.native
        begun = np.zeros(len(found.timestamps), np.int64) if found.starts is None else found.starts
        for row, time, start, one in zip(
            found.series_index.tolist(),
            found.timestamps.tolist(),
            begun.tolist(),
            singles(found.histograms),
            strict=True,
        ):
            natives[names[row]] = (time, start, one)
    return floats, natives


def shown(natives: Expected) -> dict[Any, str]:
    """Texts, in which NaN equals NaN and runs of buckets are joined."""
    return {
        key: repr((time, start, one.compacted(), bits(one.sum)))
        for key, (time, start, one) in natives.items()
    }


@pytest.mark.slow
@given(texts(), st.booleans())
@settings(deadline=None, max_examples=60)
def test_messages_read_as_google_reads_them(families: list[Any], always_classic: bool) -> None:
    wanted_floats, wanted_natives = walked(families, always_classic)
    floats, natives = apart(parse(delimited(families), always_classic=always_classic))
    assert floats == wanted_floats
    assert shown(natives) == shown(wanted_natives)


@given(texts(), st.lists(st.integers(0, 500), max_size=4))
@settings(deadline=None, max_examples=20)
def test_a_message_may_be_cut_anywhere(families: list[Any], cuts: list[int]) -> None:
    data = delimited(families)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    parser = ProtobufParser(default_time_ms=NOW)
    parts = [parser.feed(data[a:b]) for a, b in pairwise(places)]
    parser.finish()
    assert apart(concat_batches(parts))[0] == apart(parse(data))[0]
    assert shown(apart(concat_batches(parts))[1]) == shown(apart(parse(data))[1])


@pytest.mark.slow
@given(texts(), st.data())
@settings(deadline=None, max_examples=60)
def test_damage_is_an_error_or_another_text_but_no_crash(
    families: list[Any], data: st.DataObject
) -> None:
    whole = bytearray(delimited(families) or b"\x00")
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with suppress(InputError):
        parse(bytes(whole))
