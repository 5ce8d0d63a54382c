"""Native histograms of a remote read: buckets as spans, populations as differences or as floats.

Histograms with integer counts are encoded as integer histograms: Prometheus 2.53 as a client does
not accept float histograms in this response type.
"""

from __future__ import annotations

import struct
from itertools import pairwise

import numpy as np

from novaql.inputs.prometheus import spans, whole_histograms
from novaql.inputs.protobuf import bytes_field, number_field, varint, zigzag
from novaql.tsdb import Bools, Buckets, Histograms, Ints

_DOUBLE = struct.Struct("<d")
_COUNT, _SUM, _ZERO_THRESHOLD, _ZERO_COUNT = b"\x11", b"\x19", b"\x29", b"\x39"
"""Keys of doubles."""
_NEGATIVE, _POSITIVE = (8, 9, 10), (11, 12, 13)
"""Fields of one side: spans, differences, populations."""


def histogram_fields(histograms: Histograms, times: Ints) -> list[bytes]:
    """Encode each histogram as a field of its time series."""
    whole = whole_histograms(histograms)
    negative = _sides(histograms.negative, whole, _NEGATIVE)
    positive = _sides(histograms.positive, whole, _POSITIVE)
    bounds = [bytes_field(16, np.array(one, "<f8").tobytes()) for one in histograms.custom_bounds]
    out = []
    for row, (at, which) in enumerate(zip(times.tolist(), histograms.bounds.tolist(), strict=True)):
        count, zero_count = float(histograms.count[row]), float(histograms.zero_count[row])
        if whole[row]:
            counts = number_field(1, int(count)) + number_field(6, int(zero_count))
        else:
            counts = _COUNT + _DOUBLE.pack(count) + _ZERO_COUNT + _DOUBLE.pack(zero_count)
        body = b"".join(
            (
                counts,
                _SUM + _DOUBLE.pack(histograms.sum[row]),
                number_field(4, zigzag(int(histograms.schema[row]))),
                _ZERO_THRESHOLD + _DOUBLE.pack(histograms.zero_threshold[row]),
                negative[row],
                positive[row],
                number_field(14, int(histograms.hint[row])),
                number_field(15, at),
                bounds[which] if which >= 0 else b"",
            )
        )
        out.append(bytes_field(4, body))
    return out


def _sides(buckets: Buckets, whole: Bools, numbers: tuple[int, int, int]) -> list[bytes]:
    """Encode spans and populations of one side of every histogram."""
    of_spans, of_differences, of_populations = numbers
    out = []
    for row, (first, last) in enumerate(pairwise(buckets.offsets.tolist())):
        if first == last:
            out.append(b"")
            continue
        encoded = [
            bytes_field(of_spans, number_field(1, zigzag(gap)) + number_field(2, length))
            for gap, length in spans(buckets.index[first:last].astype(np.int64))
        ]
        population = buckets.population[first:last]
        if whole[row]:
            steps = np.diff(population.astype(np.int64), prepend=0).tolist()
            counts = bytes_field(of_differences, b"".join(varint(zigzag(s)) for s in steps))
        else:
            counts = bytes_field(of_populations, population.astype("<f8").tobytes())
        out.append(b"".join(encoded) + counts)
    return out
