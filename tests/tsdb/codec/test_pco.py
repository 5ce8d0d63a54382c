"""Compiled code reads what pcodec writes, to the bit, and refuses what is damaged."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray
from pcodec import ChunkConfig, DeltaSpec, ModeSpec, standalone

from novaql.tsdb.model.labels import Ints

if find_spec("numba") is None:
    pytest.skip("numba is an extra", allow_module_level=True)

from tests.support.store.pco_files import KINDS, decoded

pytestmark = pytest.mark.slow


def same(file: bytes, numbers: NDArray[Any]) -> None:
    kind = numbers.dtype.name
    found = decoded(file, kind, len(numbers), before=b"abc")
    assert found is not None
    assert (found == numbers.view(found.dtype)).all()
    for some in range(256, len(numbers), 512):
        beginning = decoded(file, kind, some)
        assert beginning is not None
        assert (beginning == found[:some]).all()


def shaped(seed: int, size: int, shape: str, dtype: str) -> NDArray[Any]:
    rng = np.random.default_rng(seed)
    limits = np.iinfo(np.int32 if dtype == "int32" else np.int64)
    match shape:
        case "constant":
            numbers: Ints = np.full(size, rng.integers(-9, 9))
        case "counter":
            numbers = rng.integers(0, rng.integers(1, 3000), size).cumsum()
        case "steps":
            numbers = np.arange(size) * rng.integers(1, 9) + rng.integers(0, 3, size)
        case "curved":
            numbers = rng.integers(-2, 3, size).cumsum().cumsum() % (1 << 28)
        case "few":
            numbers = rng.integers(0, 4, size) ** 9
        case "anything":
            numbers = rng.integers(limits.min, limits.max, size, endpoint=True)
        case _:
            numbers = rng.integers(0, 900, size).cumsum() * 1000 + rng.integers(0, 2, size)
    if dtype == "float64":
        return numbers / 7 if shape != "anything" else numbers.view(np.float64)
    wrapped: NDArray[Any] = numbers.astype(dtype)
    return wrapped


SHAPES = ["constant", "counter", "steps", "curved", "few", "anything", "multiples"]
seeds, sizes = st.integers(0, 1 << 30), st.sampled_from([1, 2, 7, 255, 256, 257, 512, 1440, 5000])
kinds = st.sampled_from(["int32", "int64", "float64"])


@settings(max_examples=300)
@given(seeds, sizes, st.sampled_from(SHAPES), kinds, st.integers(0, 12))
def test_whatever_pcodec_chooses(seed: int, size: int, shape: str, kind: str, level: int) -> None:
    numbers = shaped(seed, size, shape, kind)
    file = standalone.simple_compress(numbers, ChunkConfig(compression_level=level))
    found = decoded(file, kind, size)
    if found is not None:  # it may choose what is left to it
        same(file, numbers)
    else:
        assert kind == "float64" or shape not in ("constant", "steps")


@settings(max_examples=200)
@given(seeds, sizes, st.sampled_from(SHAPES), kinds, st.integers(0, 7), st.integers(1, 9))
def test_every_order_of_deltas(
    seed: int, size: int, shape: str, kind: str, order: int, level: int
) -> None:
    numbers = shaped(seed, size, shape, kind)
    config = ChunkConfig(
        compression_level=level,
        mode_spec=ModeSpec.classic(),
        delta_spec=DeltaSpec.try_consecutive(order) if order else DeltaSpec.no_op(),
    )
    same(standalone.simple_compress(numbers, config), numbers)


@settings(max_examples=100)
@given(seeds, sizes, st.sampled_from(["int32", "int64"]), st.integers(2, 1 << 20))
def test_multiples(seed: int, size: int, kind: str, base: int) -> None:
    rng = np.random.default_rng(seed)
    numbers = (rng.integers(-900, 900, size) * base + rng.integers(0, 3, size)).astype(kind)
    for delta in (DeltaSpec.no_op(), DeltaSpec.try_consecutive(1), DeltaSpec.auto()):
        config = ChunkConfig(mode_spec=ModeSpec.try_int_mult(base), delta_spec=delta)
        same(standalone.simple_compress(numbers, config), numbers)


@settings(max_examples=300)
@given(st.data())
def test_damage_is_refused_or_harmless(data: st.DataObject) -> None:
    kind = data.draw(kinds)
    numbers = shaped(data.draw(seeds), data.draw(sizes), data.draw(st.sampled_from(SHAPES)), kind)
    file = bytearray(standalone.simple_compress(numbers, ChunkConfig()))
    for _ in range(data.draw(st.integers(1, 4))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    decoded(bytes(file), kind, len(numbers))
    decoded(bytes(file[: data.draw(st.integers(0, len(file)))]), kind, len(numbers))


@pytest.mark.parametrize("kind", ["int32", "int64", "float64"])
def test_a_file_of_another_type_or_size_is_refused(kind: str) -> None:
    numbers = shaped(1, 600, "counter", kind)
    file = standalone.simple_compress(numbers, ChunkConfig(mode_spec=ModeSpec.classic()))
    for other in KINDS:
        assert (decoded(file, other, 600) is None) == (other != kind)
    assert decoded(file, kind, 601) is None
    assert decoded(file, kind, 599) is None  # neither all of them nor whole batches
    assert decoded(file[:-1], kind, 600) is None
    assert decoded(file + b"\0", kind, 600) is None
    assert decoded(b"", kind, 600) is None
