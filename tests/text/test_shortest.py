"""Shortest decimals of compiled functions, compared with those of Python."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.export.compiled_text import TEXTS
from novaql.export.json_values import ValueStyle
from novaql.export.prometheus_json import result_json
from novaql.result import Result, ResultKind
from novaql.text.floats import float_token
from novaql.text.powers_of_ten import HIGH, LEAST, LOW, MOST
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Floats

pytest.importorskip("numba", reason="compiled texts need numba: pip install 'novaql[fast]'")


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    TEXTS.prepare()
    assert TEXTS.ready() is not None


def texts_of(values: Floats) -> list[bytes]:
    times = np.arange(len(values), dtype=np.int64)
    series = SeriesTable.unlabelled()
    result = Result(ResultKind.MATRIX, series, times, values.reshape(1, -1))
    return re.findall(rb',"([^"]*)"]', result_json(result, ValueStyle.TEXT))


def check(values: Floats) -> None:
    both = np.concatenate([values, -values])
    assert texts_of(both) == [float_token(value) for value in both.tolist()]


def test_powers_of_ten_are_their_first_128_bits_rounded_up() -> None:
    for power, high, low in zip(range(LEAST, MOST + 1), HIGH.tolist(), LOW.tolist(), strict=True):
        upper, lower = (10**power, 1) if power >= 0 else (1, 10**-power)
        first = high << 64 | low
        assert first.bit_length() == 128
        # first - 1 < 10^power / 2^shift <= first, for the shift by which the first has 128 bits
        shift = upper.bit_length() - lower.bit_length() - 128
        while (first << shift if shift > 0 else first) * lower < (
            upper if shift > 0 else upper << -shift
        ):
            shift += 1
        scaled, unit = (upper, lower << shift) if shift > 0 else (upper << -shift, lower)
        assert (first - 1) * unit < scaled <= first * unit


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=200))
def test_any_bits(bits: list[int]) -> None:
    check(np.array(bits, np.uint64).view(np.float64))


def test_powers_of_two_and_the_floats_beside_them() -> None:
    """Below a power of two, floats are twice as dense."""
    powers = np.ldexp(1.0, np.arange(-1074, 1024))
    check(np.concatenate([powers, np.nextafter(powers, 0), np.nextafter(powers, np.inf)]))


def test_powers_of_ten_and_the_floats_beside_them() -> None:
    powers = np.array([float(f"1e{n}") for n in range(-323, 309)])
    check(np.concatenate([powers, np.nextafter(powers, 0), np.nextafter(powers, np.inf)]))


def test_integers_around_the_limit_of_exact_ones() -> None:
    check(np.float64(2**53) + np.arange(-40.0, 80.0))
    check(np.float64(9.0e15) + np.arange(-20.0, 20.0))
    check(np.array([10.0**n - 1 for n in range(23)]))


@pytest.mark.parametrize("places", range(1, 18))
def test_decimals_of_few_places_and_the_floats_beside_them(places: int) -> None:
    rng = np.random.default_rng(places)
    sizes = 10.0 ** rng.integers(-3, 16, 200)
    values = np.array([float(f"{x:.{places}f}") for x in (rng.random(200) * sizes).tolist()])
    check(np.concatenate([values, np.nextafter(values, 0), np.nextafter(values, np.inf)]))


def test_values_that_are_hard_to_write() -> None:
    """Two candidates equally near; limits of the interval that are decimals themselves (even and
    odd mantissas); the smallest and largest floats: from the test sets of Grisu, Ryū and
    Schubfach's papers."""
    check(
        np.array(
            [
                *(5e-324, 1e-323, 1.5e-323, 2e-323, 4.9406564584124654e-324),
                *(2.2250738585072009e-308, 2.2250738585072014e-308, 2.225073858507202e-308),
                *(1.7976931348623157e308, 1.7976931348623155e308, 8.988465674311580e307),
                *(9007199254740991.0, 9007199254740993.0, 18014398509481984.0),
                *(2.98023223876953125e-8, 9.5367431640625e-7, 4.35, 4.349999999999999, 1e23),
                *(8.41e21, 2.0e22, 9.0608011534336e15, 4.708356024711512e18, 9.409340012568248e18),
                *(1.2345678901234567e-6, 1.2345678901234567e21, 299792458.0, 0.1 + 0.2),
                *(5.764607523034235e39, 1.152921504606847e40, 2.305843009213694e40),
                *(4.294967294, 4.294967295, 4.294967296, 1.0 / 3, 2.0 / 3, 9.999999999999999e22),
                *(3.0e-44, 1.8531501765868567e21, -3.347727380279489e33, 1.9430376160308388e16),
                *(-6.9741824662760956e19, 4.3816050601147837e18, 6.0807493962546665e-13),
            ]
        )
    )
