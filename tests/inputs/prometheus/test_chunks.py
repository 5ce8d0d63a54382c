"""Chunks: what is encoded is decoded again bit for bit, and both decoders of a pair agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given, settings

from novaql.inputs.prometheus.chunk_bytes import BrokenChunk, ChunkBytes, Encoding
from novaql.inputs.prometheus.decoding import CHUNKS
from novaql.inputs.prometheus.histogram_decode import DecodedHistograms, decode_histograms
from novaql.inputs.prometheus.histogram_encode import encode_histograms
from novaql.inputs.prometheus.xor_decode import decode_xor
from novaql.inputs.prometheus.xor_encode import chunk_starts, encode_xor
from novaql.tsdb.model.histograms import ResetHint, concat_histograms
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import STALE_BITS, Floats
from novaql.tsdb.runtime.compiled import Mode
from tests.support.store.stored_histograms import Native, Side, histograms_of, natives, natives_of

pytest.importorskip("numba", reason="numba is not installed: pip install novaql[fast]")
with CHUNKS.forced(Mode.ON):
    CHUNKS.prepare()
compiled = CHUNKS.call

steps = st.sampled_from([0, 1, 15_000, 15_001, 14_999, 8191, 8192, 8193, 65_536, 2**19, 2**20]) | (
    st.integers(-(2**40), 2**40)
)
bit_patterns = st.integers(0, 2**64 - 1) | st.integers(0, 20).map(
    lambda n: int(np.float64(n).view(np.uint64))
)
series = st.lists(
    st.tuples(
        st.integers(-(2**50), 2**50),
        st.lists(st.tuples(steps, bit_patterns), min_size=1, max_size=9),
    ),
    min_size=1,
    max_size=7,
)


def flat(drawn: list[tuple[int, list[tuple[int, int]]]]) -> tuple[Ints, Floats, Ints]:
    times = [begin + np.cumsum([step for step, _ in some]) for begin, some in drawn]
    bits = [value for _, some in drawn for _, value in some]
    offsets = np.append(0, np.cumsum([len(some) for _, some in drawn]))
    return np.concatenate(times), np.array(bits, np.uint64).view(np.float64), offsets


def by_compiled(chunks: ChunkBytes) -> tuple[Ints, Floats]:
    samples = int(chunks.counts.sum())
    times, bits = np.empty(samples, np.int64), np.empty(samples, np.uint64)
    broken = compiled.decode_xor(*_inputs(chunks), times, bits)
    if broken >= 0:
        raise BrokenChunk(broken, "cut off")
    return times, bits.view(np.float64)


def _inputs(chunks: ChunkBytes) -> tuple[object, ...]:
    return chunks.data, chunks.first, chunks.end, chunks.counts


@given(series, st.integers(1, 5))
def test_floats_come_back_bit_for_bit_from_both_decoders(
    drawn: list[tuple[int, list[tuple[int, int]]]], most: int
) -> None:
    times, values, offsets = flat(drawn)
    starts = chunk_starts(offsets, most)
    chunks = ChunkBytes.of(encode_xor(times, values, starts))

    for decode in (decode_xor, by_compiled):
        found_times, found = decode(chunks)
        assert found_times.tolist() == times.tolist()
        assert found.view(np.uint64).tolist() == values.view(np.uint64).tolist()


@pytest.mark.slow
def test_many_chunks_of_different_sizes() -> None:
    rng = np.random.default_rng(5)
    sizes = rng.integers(1, 500, 3000)
    offsets = np.append(0, np.cumsum(sizes))
    times = np.cumsum(rng.integers(1, 30_000, offsets[-1]))
    values = np.where(rng.random(offsets[-1]) < 0.5, rng.normal(size=offsets[-1]), 3.0)
    chunks = ChunkBytes.of(encode_xor(times, values, chunk_starts(offsets)))

    for decode in (decode_xor, by_compiled):
        found_times, found = decode(chunks)
        np.testing.assert_array_equal(found_times, times)
        np.testing.assert_array_equal(found, values)


@given(series, st.integers(1, 12))
def test_a_chunk_that_is_cut_off_is_named(
    drawn: list[tuple[int, list[tuple[int, int]]]], bytes_lost: int
) -> None:
    times, values, offsets = flat(drawn)
    pieces = encode_xor(times, values, chunk_starts(offsets))
    which = len(pieces) // 2
    pieces[which] = pieces[which][: max(2, len(pieces[which]) - bytes_lost)]
    chunks = ChunkBytes.of(pieces)

    with pytest.raises(BrokenChunk) as problem:
        decode_xor(chunks)

    assert problem.value.number == which
    samples = int(chunks.counts.sum())
    out = np.empty(samples, np.int64), np.empty(samples, np.uint64)
    assert compiled.decode_xor(*_inputs(chunks), *out) == which


@given(st.lists(st.binary(min_size=2, max_size=40), min_size=1, max_size=5))
@example([bytes.fromhex("00020000000000000000" + "0000d9a8")])  # zeros on both sides: above 64
@settings(max_examples=200)
def test_random_bytes_end_in_samples_or_in_a_located_error(pieces: list[bytes]) -> None:
    pieces = [bytes([0, piece[1] % 50]) + piece[2:] for piece in pieces]
    chunks = ChunkBytes.of(pieces)
    assert floats_or_number(chunks, decode_xor) == floats_or_number(chunks, by_compiled)
    for whole in (True, False):
        outcomes = [outcome(chunks, whole, twin) for twin in (None, compiled)]
        assert outcomes[0] == outcomes[1]


def floats_or_number(
    chunks: ChunkBytes, decode: Callable[[ChunkBytes], tuple[Ints, Floats]]
) -> object:
    """What is decoded, else that it is broken: which chunk is told may differ between the twins."""
    try:
        times, values = decode(chunks)
    except BrokenChunk as problem:
        assert 0 <= problem.number < len(chunks)  # noqa: PT017
        return "broken"
    return times.tobytes(), values.tobytes()


def outcome(chunks: ChunkBytes, whole: bool, twin: object) -> object:
    try:
        found = decode_histograms(chunks, whole=whole, compiled=twin)  # type: ignore[arg-type]
    except BrokenChunk as problem:
        return problem.number
    return found.times.tolist(), found.stale.tolist(), natives_of(found.histograms)


def decoded(pieces: list[tuple[Encoding, bytes]], twin: object) -> list[DecodedHistograms]:
    return [
        decode_histograms(
            ChunkBytes.of([data]),
            whole=kind is Encoding.HISTOGRAM,
            compiled=twin,  # type: ignore[arg-type]
        )
        for kind, data in pieces
    ]


small_counts = st.integers(0, 2000).map(float)


def side_of(counts: dict[int, int]) -> Side:
    return tuple((i, int(np.float64(n).view(np.uint64))) for i, n in sorted(counts.items()))


@st.composite
def whole_natives(draw: st.DrawFn) -> Native:
    """Histograms of integers, as clients expose them."""
    schema = draw(st.integers(-4, 8))
    sides = [
        draw(st.dictionaries(st.integers(-9, 9), st.integers(1, 900), max_size=4)) for _ in "+-"
    ]
    zero = draw(st.integers(0, 30))
    count = zero + sum(sum(side.values()) for side in sides)
    bits = [
        int(np.float64(x).view(np.uint64)) for x in (count, draw(small_counts), zero, 2.0**-128)
    ]
    return Native(
        schema,
        draw(st.sampled_from([0, 0, 0, 1, 3])),
        (bits[0], bits[1], bits[2], bits[3]),
        side_of(sides[0]),
        side_of(sides[1]),
    )


@pytest.mark.slow
@given(
    st.lists(
        st.lists(st.one_of(natives, whole_natives()), min_size=1, max_size=6),
        min_size=1,
        max_size=3,
    ),
    st.integers(-(2**40), 2**40),
)
@settings(max_examples=150)
def test_histograms_come_back_and_resets_are_not_hidden(
    drawn: list[list[Native]], begin: int
) -> None:
    drawn = [[one for one in some if one.scalars[1] != STALE_BITS] for some in drawn]
    given_ones = [one for some in drawn for one in some]
    histograms = histograms_of(given_ones)
    times = begin + 15_000 * np.arange(len(given_ones))
    offsets = np.append(0, np.cumsum([len(some) for some in drawn]))

    chunks = encode_histograms(times, histograms, offsets)

    assert [c.end for c in chunks] == [*[c.first for c in chunks[1:]], len(times)]
    pieces = [(c.encoding, c.data) for c in chunks]
    plain, fast = decoded(pieces, None), decoded(pieces, compiled)
    for found in (plain, fast):
        joined = concat_histograms([one.histograms for one in found])
        assert [t for one in found for t in one.times.tolist()] == times.tolist()
        assert not any(one.stale.any() for one in found)
        hintless = [replace(one, hint=0) for one in natives_of(joined)]
        assert hintless == [replace(one, hint=0) for one in given_ones]
        for chunk in chunks:
            hints = joined.hint[chunk.first : chunk.end]
            wanted = histograms.hint[chunk.first : chunk.end]
            assert ((hints == ResetHint.GAUGE) == (wanted == ResetHint.GAUGE)).all()
            assert (hints[0] == ResetHint.RESET) == (wanted[0] == ResetHint.RESET)
            assert (wanted[1:] != ResetHint.RESET).all()
