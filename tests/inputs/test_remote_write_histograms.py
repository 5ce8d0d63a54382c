"""Native histograms in remote write 1.0, as Google's protobuf writes them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from novaql import tsdb
from novaql.errors import InputError
from novaql.inputs.remote_write.decoder import RemoteWriteDecoder
from novaql.tsdb.model.histograms import CUSTOM_SCHEMA
from novaql.tsdb.model.samples import STALE, STALE_BITS, Batch
from novaql.tsdb.model.source import FIRST_SAMPLE_MS, LAST_SAMPLE_MS
from tests.support.messages.remote_write_messages import message_of, packed
from tests.support.store.model import bits, read_all
from tests.support.store.stored_histograms import Native, natives_of

TIME = 1_700_000_000_000
Populations = dict[int, int]


def spans(side: Populations, gap: int) -> list[tuple[int, list[int]]]:
    """(distance, populations) of spans; up to `gap` empty buckets are written out."""
    found: list[tuple[int, list[int]]] = []
    end = 0
    for index in sorted(side):
        if found and index - end <= gap:
            found[-1][1].extend([0] * (index - end))
        else:
            found.append((index - end, []))
        found[-1][1].append(side[index])
        end = index + 1
    return found


def write(one: Any, side: str, populations: Populations, gap: int, *, floating: bool) -> None:
    before = 0
    for distance, counts in spans(populations, gap):
        getattr(one, f"{side}_spans").add(offset=distance, length=len(counts))
        for count in counts:
            if floating:
                getattr(one, f"{side}_counts").append(count / 2)
            else:
                getattr(one, f"{side}_deltas").append(count - before)
                before = count


def native_of(one: Any, sides: dict[str, Populations], *, floating: bool) -> Native:
    half = 2 if floating else 1
    count = one.count_float if floating else float(one.count_int)
    zero = one.zero_count_float if floating else float(one.zero_count_int)
    return Native(
        one.schema,
        one.reset_hint,
        (bits(count), bits(one.sum), bits(zero), bits(one.zero_threshold)),
        tuple((i, bits(n / half)) for i, n in sorted(sides["positive"].items()) if n),
        tuple((i, bits(n / half)) for i, n in sorted(sides["negative"].items()) if n),
        tuple(one.custom_values),
    )


populations = st.dictionaries(
    st.integers(-40, 40) | st.just(2**30), st.integers(0, 2**40), max_size=6
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    st.booleans(), st.integers(-4, 8), st.integers(0, 3), st.integers(0, 2**50), st.integers(0, 3),
    populations, populations, st.floats(allow_nan=False),
    st.integers(FIRST_SAMPLE_MS, LAST_SAMPLE_MS),
)  # fmt: skip
def test_histograms_mean_what_protobuf_wrote(
    floating: bool, schema: int, hint: int, zero: int, gap: int,
    positive: Populations, negative: Populations, total: float, time: int,
) -> None:  # fmt: skip
    message = message_of([({"__name__": "other"}, [(TIME, 2.0)]), ({"__name__": "latency"}, [])])
    one = message.timeseries[1].histograms.add(
        schema=schema, reset_hint=hint, sum=total, zero_threshold=0.25, timestamp=time
    )
    if floating:
        one.count_float, one.zero_count_float = 12.5, zero / 4
    else:
        one.count_int = zero + sum(positive.values()) + sum(negative.values())
        one.zero_count_int = zero
    write(one, "positive", positive, gap, floating=floating)
    write(one, "negative", negative, gap, floating=floating)

    request = RemoteWriteDecoder().decode(packed(message))

    native = request.batch.native
    assert native is not None
    assert (request.histograms, len(request.batch)) == (1, 2)
    assert native.timestamps.tolist() == [time]
    assert request.batch.series.labels(int(native.series_index[0]))["__name__"] == "latency"
    sides = {"positive": positive, "negative": negative}
    assert natives_of(native.histograms) == [native_of(one, sides, floating=floating)]


def custom(message: Any) -> Any:
    one = message.timeseries[0].histograms.add(
        schema=CUSTOM_SCHEMA, count_int=7, sum=9.5, timestamp=TIME, custom_values=[0.5, 1.0]
    )
    one.positive_spans.add(offset=0, length=1)
    one.positive_spans.add(offset=1, length=1)
    one.positive_deltas.extend([3, 1])
    return one


def latency() -> Any:
    return message_of([({"__name__": "latency"}, [])])


def decoded(message: Any) -> Batch:
    return RemoteWriteDecoder().decode(packed(message)).batch


def test_custom_bounds() -> None:
    message = latency()
    custom(message)
    native = decoded(message).native
    assert native is not None
    assert natives_of(native.histograms) == [
        Native(
            CUSTOM_SCHEMA, 0, (bits(7), bits(9.5), 0, 0),
            ((0, bits(3)), (2, bits(4))), (), (0.5, 1.0),
        )
    ]  # fmt: skip


def test_the_end_of_a_series_of_histograms_is_a_stale_float() -> None:
    message = latency()
    message.timeseries[0].histograms.add(sum=STALE, timestamp=TIME)
    batch = decoded(message)
    assert batch.native is None
    assert batch.values.view(np.uint64).tolist() == [STALE_BITS]
    assert batch.timestamps.tolist() == [TIME]


def test_nan_is_counted_and_in_no_bucket() -> None:
    message = latency()
    one = custom(message)
    one.count_int, one.sum = 9, math.nan
    native = decoded(message).native
    assert native is not None
    assert native.histograms.count.tolist() == [9.0]


def test_numbers_that_are_not_packed_are_read_too() -> None:
    """Some senders write each number of a list as a field of its own."""
    message = latency()
    one = custom(message)
    whole = decoded(message).native
    one.ClearField("positive_deltas")
    one.ClearField("custom_values")
    loose = one.SerializeToString() + b"\x60\x06\x60\x02"
    loose += b"".join(b"\x81\x01" + np.float64(bound).tobytes() for bound in (0.5, 1.0))
    labels = message.timeseries[0].labels[0].SerializeToString()
    series = b"\x0a" + bytes([len(labels)]) + labels + b"\x22" + bytes([len(loose)]) + loose
    found = RemoteWriteDecoder().decode_message(b"\x0a" + bytes([len(series)]) + series).batch
    assert whole is not None
    assert found.native is not None
    assert natives_of(found.native.histograms) == natives_of(whole.histograms)


def spoilt(**changes: Any) -> Callable[[Any], None]:
    def spoil(one: Any) -> None:
        for name, value in changes.items():
            if isinstance(value, list):
                one.ClearField(name)
                getattr(one, name).extend(value)
            else:
                setattr(one, name, value)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (spoilt(schema=9, custom_values=[]), "its schema is 9"),
        (spoilt(schema=2), "custom bounds, which belong to schema -53"),
        (spoilt(reset_hint=4), "its reset hint is 4"),
        (spoilt(count_int=8), "counts 8 observations, its buckets 7"),
        (spoilt(positive_deltas=[3]), "spans do not have 1 buckets"),
        (spoilt(positive_deltas=[3, -4], count_int=2), "negative population"),
        (spoilt(custom_values=[1.0, 0.5]), "do not ascend"),
        (spoilt(custom_values=[0.5, math.inf]), "not finite"),
        (spoilt(custom_values=[0.5]), "outside its custom bounds"),
        (spoilt(zero_threshold=0.5), "no zero bucket"),
        (spoilt(count_float=7.0), "as floats and as differences"),
        (spoilt(schema=2, custom_values=[], zero_threshold=math.nan), "zero threshold is nan"),
        (spoilt(timestamp=2**62 + 1), "is out of range"),
    ],
)
def test_histograms_that_make_no_sense_are_refused(
    spoil: Callable[[Any], None], reason: str
) -> None:
    message = latency()
    spoil(custom(message))
    with pytest.raises(InputError, match=reason):
        decoded(message)


def test_spans_do_not_go_back() -> None:
    message = latency()
    custom(message).positive_spans[1].offset = -1
    with pytest.raises(InputError, match=r"byte \d+: native histogram: span 1 goes back by 1"):
        decoded(message)


def test_a_message_is_stored_whole() -> None:
    message = message_of([({"__name__": "latency"}, [(TIME - 1, 1.0)])])
    custom(message)
    database = tsdb.memory()
    database.append(decoded(message))
    ((_, samples),) = read_all(database).items()
    assert [time for time, _ in samples] == [TIME - 1, TIME]
    assert isinstance(samples[1][1], Native)


@pytest.mark.parametrize(
    ("deltas", "reason"),
    [(b"\x06\x82", "ends inside a number"), (b"\xff" * 10 + b"\x01", "more than ten bytes")],
)
def test_numbers_that_do_not_end(deltas: bytes, reason: str) -> None:
    labels = b"\x0a\x0f\x0a\x08__name__\x12\x03lag"
    histogram = b"\x62" + bytes([len(deltas)]) + deltas
    series = labels + b"\x22" + bytes([len(histogram)]) + histogram
    with pytest.raises(InputError, match=reason):
        RemoteWriteDecoder().decode_message(b"\x0a" + bytes([len(series)]) + series)


def test_histograms_that_are_equal_are_as_many_as_were_sent() -> None:
    """Two messages without fields, before and behind one that counts."""
    message = message_of([({"__name__": "h"}, [])])
    (series,) = message.timeseries
    for counted in (0, 3, 0, 0):
        one = series.histograms.add()
        if counted:
            one.timestamp, one.count_int, one.sum = TIME, counted, 6.0
            one.zero_count_int = counted
    native = RemoteWriteDecoder().decode(packed(message)).batch.native
    assert native is not None
    assert native.timestamps.tolist() == [0, TIME, 0, 0]
    assert native.histograms.count.tolist() == [0, 3, 0, 0]
    assert native.histograms.sum.tolist() == [0, 6, 0, 0]
