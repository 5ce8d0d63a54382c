"""Native histograms one by one, by their bits, as the tests of the store compare them."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import hypothesis.strategies as st
import numpy as np

from novaql.tsdb.model.histograms import CUSTOM_SCHEMA, Buckets, Histograms

Side = tuple[tuple[int, int], ...]
"""(bucket number, bits of its population), in order."""

_ZEROS = {0, 1 << 63}


@dataclass(frozen=True)
class Native:
    """One histogram. scalars: bits of count, sum, zero count and zero threshold."""

    schema: int
    hint: int
    scalars: tuple[int, int, int, int]
    positive: Side = ()
    negative: Side = ()
    bounds: tuple[float, ...] = ()


def _bits(value: float) -> int:
    return int(struct.unpack("<Q", struct.pack("<d", value))[0])


def simple(count: float, **buckets: float) -> Native:
    """With buckets b0=…, b1=…"""
    side = tuple((int(name[1:]), _bits(value)) for name, value in sorted(buckets.items()))
    return Native(0, 0, (_bits(count), _bits(count * 1.5), 0, 0), side)


def histograms_of(natives: Sequence[Native]) -> Histograms:
    sets = list(dict.fromkeys(one.bounds for one in natives if one.schema == CUSTOM_SCHEMA))
    scalars = np.array([one.scalars for one in natives], np.uint64).reshape(-1, 4)
    columns = [np.ascontiguousarray(scalars[:, i]).view(np.float64) for i in range(4)]
    return Histograms(
        np.array([one.schema for one in natives], np.int8),
        np.array([one.hint for one in natives], np.int8),
        columns[0],
        columns[1],
        columns[2],
        columns[3],
        _buckets([one.positive for one in natives]),
        _buckets([one.negative for one in natives]),
        np.array(
            [sets.index(o.bounds) if o.schema == CUSTOM_SCHEMA else -1 for o in natives], np.int32
        ),
        tuple(sets),
    )


def _buckets(sides: Sequence[Side]) -> Buckets:
    flat = [pair for side in sides for pair in side]
    return Buckets(
        np.append(0, np.cumsum([len(side) for side in sides])).astype(np.int64),
        np.array([index for index, _ in flat], np.int32),
        np.array([bits for _, bits in flat], np.uint64).view(np.float64),
    )


def natives_of(h: Histograms) -> list[Native]:
    scalars = [
        np.ascontiguousarray(column).view(np.uint64).tolist()
        for column in (h.count, h.sum, h.zero_count, h.zero_threshold)
    ]
    sides = []
    for side in (h.positive, h.negative):
        bits = np.ascontiguousarray(side.population).view(np.uint64).tolist()
        pairs = list(zip(side.index.tolist(), bits, strict=True))
        ends = side.offsets.tolist()
        sides.append([tuple(pairs[a:b]) for a, b in itertools.pairwise(ends)])
    return [
        Native(
            schema, hint, (count, total, zero, threshold), positive, negative,
            h.custom_bounds[which] if which >= 0 else (),
        )
        for schema, hint, count, total, zero, threshold, positive, negative, which in zip(
            h.schema.tolist(), h.hint.tolist(), *scalars, *sides, h.bounds.tolist(), strict=True
        )
    ]  # fmt: skip


any_bits = st.integers(0, 2**64 - 1) | st.integers(0, 50).map(lambda n: _bits(float(n)))
sides = st.dictionaries(
    st.integers(-5, 5) | st.integers(-(2**31), 2**31 - 1),
    any_bits.filter(lambda bits: bits not in _ZEROS),
    max_size=4,
).map(lambda side: tuple(sorted(side.items())))
bounds_sets = st.sampled_from([(), (1.0,), (0.5, 1.0, 2.5), (-1.0, 1e300)])
scalars = st.tuples(any_bits, any_bits, any_bits, any_bits)
hints = st.integers(0, 3)

natives = st.builds(Native, st.integers(-4, 8), hints, scalars, sides, sides) | st.builds(
    Native, st.just(CUSTOM_SCHEMA), hints, scalars, sides, st.just(()), bounds_sets
)
"""Any histogram that a batch may hold, NaNs of any payload among its numbers."""
