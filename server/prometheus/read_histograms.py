"""Native histograms of a remote read: buckets as spans, populations as differences or as floats.

Histograms with integer counts are encoded as integer histograms: Prometheus 2.53 as a client does
not accept float histograms in this response type.
"""

from __future__ import annotations

import struct
from itertools import pairwise

import numpy as np

from novaql.inputs.prometheus import whole_histograms
from novaql.inputs.protobuf import varint, zigzag
from novaql.tsdb import Bools, Buckets, Floats, Histograms, Ints

_DOUBLE = struct.Struct("<d")
_HISTOGRAMS = b"\x22"  # field 4 of a time series
_COUNT, _WHOLE_COUNT, _SUM, _SCHEMA = b"\x11", b"\x08", b"\x19", b"\x20"
_ZERO_THRESHOLD, _ZERO_COUNT, _WHOLE_ZERO_COUNT = b"\x29", b"\x39", b"\x30"
_HINT, _TIME, _CUSTOM = b"\x70", b"\x78", b"\x82\x01"
_NEGATIVE, _POSITIVE = (b"\x42", b"\x4a", b"\x52"), (b"\x5a", b"\x62", b"\x6a")
"""Keys of the fields of one side: spans, differences, populations."""


def histogram_fields(histograms: Histograms, times: Ints) -> list[bytes]:
    """Encode each histogram as a field of its time series."""
    whole = whole_histograms(histograms)
    negative = _sides(histograms.negative, whole, _NEGATIVE)
    positive = _sides(histograms.positive, whole, _POSITIVE)
    bounds = [_CUSTOM + _packed(np.array(one, np.float64)) for one in histograms.custom_bounds]
    out = []
    for row, (at, which) in enumerate(zip(times.tolist(), histograms.bounds.tolist(), strict=True)):
        count, zero_count = float(histograms.count[row]), float(histograms.zero_count[row])
        if whole[row]:
            counts = _WHOLE_COUNT + varint(int(count)) + _WHOLE_ZERO_COUNT + varint(int(zero_count))
        else:
            counts = _COUNT + _DOUBLE.pack(count) + _ZERO_COUNT + _DOUBLE.pack(zero_count)
        body = b"".join(
            (
                counts,
                _SUM + _DOUBLE.pack(histograms.sum[row]),
                _SCHEMA + varint(zigzag(int(histograms.schema[row]))),
                _ZERO_THRESHOLD + _DOUBLE.pack(histograms.zero_threshold[row]),
                negative[row],
                positive[row],
                _HINT + varint(int(histograms.hint[row])),
                _TIME + varint(at % (1 << 64)),
                bounds[which] if which >= 0 else b"",
            )
        )
        out.append(_HISTOGRAMS + varint(len(body)) + body)
    return out


def _sides(buckets: Buckets, whole: Bools, keys: tuple[bytes, bytes, bytes]) -> list[bytes]:
    """Encode spans and populations of one side of every histogram."""
    spans_key, differences_key, populations_key = keys
    out = []
    for row, (first, last) in enumerate(pairwise(buckets.offsets.tolist())):
        if first == last:
            out.append(b"")
            continue
        index = buckets.index[first:last].astype(np.int64)
        begins = np.flatnonzero(np.diff(index, prepend=index[0] - 2) != 1)
        lengths = np.diff(np.append(begins, len(index)))
        ends = index[begins] + lengths  # one past each span
        gaps = index[begins] - np.append(0, ends[:-1])
        spans = []
        for gap, length in zip(gaps.tolist(), lengths.tolist(), strict=True):
            span = b"\x08" + varint(zigzag(gap)) + b"\x10" + varint(length)
            spans.append(spans_key + varint(len(span)) + span)
        population = buckets.population[first:last]
        if whole[row]:
            steps = np.diff(population.astype(np.int64), prepend=0).tolist()
            packed = b"".join(varint(zigzag(step)) for step in steps)
            counts = differences_key + varint(len(packed)) + packed
        else:
            counts = populations_key + _packed(population)
        out.append(b"".join(spans) + counts)
    return out


def _packed(numbers: Floats) -> bytes:
    data = np.ascontiguousarray(numbers, "<f8").tobytes()
    return varint(len(data)) + data
