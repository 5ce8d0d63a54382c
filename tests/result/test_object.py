"""A result as an object of Python: places, one value, arrays, equality, copies."""

from __future__ import annotations

import copy
import math
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql import query
from novaql.errors import ArgumentError
from novaql.result import NativeCells, Result
from tests.support.generators.results import matrix, raw, results, scalar, string, vector
from tests.support.store.stored_histograms import histograms_of, simple

AB = [({"a": "1"}, 1.0), ({"a": "2"}, 2.0)]


def histograms(*counts: float) -> Result:
    """A vector of native histograms."""
    plain = vector([({"a": str(row)}, math.nan) for row in range(len(counts))])
    which = np.arange(len(counts), dtype=np.int32).reshape(-1, 1)
    native = histograms_of([simple(count, b1=count) for count in counts])
    return replace(plain, native=NativeCells(native, which))


@given(results(), st.integers(-7, 7))
def test_a_place_is_that_series(result: Result, place: int) -> None:
    every = list(result)
    try:
        wanted = every[place]
    except IndexError:
        with pytest.raises(IndexError):
            result[place]
        return
    found = result[np.int64(place)]
    assert found.labels == wanted.labels
    np.testing.assert_array_equal(found.times, wanted.times)
    np.testing.assert_array_equal(found.values, wanted.values)


@given(results(), st.slices(6))
def test_a_slice_is_a_result_of_those_series(result: Result, some: slice) -> None:
    found = result[some]

    assert found.kind is result.kind
    assert [one.labels for one in found] == [one.labels for one in list(result)[some]]
    for ours, wanted in zip(found, list(result)[some], strict=True):
        np.testing.assert_array_equal(ours.times, wanted.times)
        np.testing.assert_array_equal(ours.values, wanted.values)
    assert found.csv().count("\n") <= result.csv().count("\n")


def test_a_slice_has_its_histograms() -> None:
    backwards = histograms(1, 2, 3)[::-1]

    assert backwards[:1].json().count('"count":"3"') == 1
    assert backwards != histograms(1, 2, 3)
    assert backwards[::-1] == histograms(1, 2, 3)


def test_a_place_that_is_no_number_is_refused() -> None:
    for place in ("host", {"host": "x"}, 1.0, None):
        with pytest.raises(TypeError, match=r"whole number.*or a slice.*one\.labels") as caught:
            vector(AB)[place]  # type: ignore[call-overload]
        assert type(place).__name__ in str(caught.value)


def test_one_value() -> None:
    assert scalar(2.5).item() == float(scalar(2.5)) == 2.5
    assert float(query("sum(vector(3))", time=0)) == 3
    assert float(matrix([({}, [None, 4])])) == 4
    assert math.isnan(float(vector([({}, math.nan)])))


@pytest.mark.parametrize(
    ("result", "what"),
    [
        (vector(AB), "2 samples"),
        (vector([]), "0 samples"),
        (matrix([({}, [1, 2])]), "2 samples"),
        (string("5"), "a text"),
        (histograms(1), "a native histogram"),
    ],
    ids=["two", "none", "range", "text", "histogram"],
)
def test_what_is_not_one_value_is_refused(result: Result, what: str) -> None:
    with pytest.raises(ArgumentError, match=f"^result: is {what}, not one float"):
        result.item()
    with pytest.raises(ValueError, match=what):  # as NumPy's own
        float(result)


@given(results())
def test_an_array_is_the_values(result: Result) -> None:
    np.testing.assert_array_equal(np.asarray(result), result.numpy().values)


def test_arrays_of_other_types_and_copies() -> None:
    whole, holes = vector(AB), matrix([({}, [1, None])])

    assert np.asarray(whole, np.float32).dtype == np.float32
    assert np.shares_memory(np.asarray(whole), whole.values)
    assert not np.shares_memory(np.array(whole), whole.values)
    assert np.array(whole, copy=False) is not None
    with pytest.raises(ValueError, match="without a copy"):
        np.array(holes, copy=False)
    assert np.isnan(np.asarray(holes)[0, 1])
    assert np.add(whole, 1).tolist() == [[2], [3]]


@given(results())
def test_copies_are_equal(result: Result) -> None:
    noted = replace(result, warnings=("careful",))

    for again in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result), noted):
        assert again == result
    assert result == result[:]
    with pytest.raises(TypeError, match="unhashable"):
        hash(result)


def test_series_are_equal_if_their_samples_are() -> None:
    first, second = vector(AB)
    holes = matrix([({"a": "1"}, [np.nan, 1.0, None])])[0]

    assert first == vector(AB)[0]
    assert first != second
    assert first in list(vector(AB))
    assert second not in [first]
    assert holes == copy.deepcopy(holes)
    assert holes != holes._replace(values=holes.values[:1], times=holes.times[:1])
    assert first != tuple(first)[:1]
    with pytest.raises(TypeError, match="unhashable"):
        hash(first)


def test_texts_with_other_codes_are_equal() -> None:
    later = [({"a": "1", "b": "x"}, 1.0), ({"b": "y"}, 2.0)]

    assert vector([({"a": "0", "c": "z"}, 0.0), *later])[1:] == vector(later)
    assert vector([({"a": "0", "c": "z"}, 0.0), *later])[:2] != vector(later)


@pytest.mark.parametrize(
    "other",
    [
        vector([({"a": "1"}, 1.0), ({"a": "2"}, 2.5)]),
        vector([({"a": "1"}, 1.0), ({"b": "2"}, 2.0)]),
        vector([({"a": "2"}, 2.0), ({"a": "1"}, 1.0)]),
        vector([({"a": "1"}, 1.0)]),
        vector([({"a": "1"}, 1.0), ({"a": "2"}, math.nan)]),
        replace(vector(AB), times_ms=np.array([0])),
        matrix([({"a": "1"}, [1.0]), ({"a": "2"}, [2.0])]),
        raw([({"a": "1"}, [(0, 1.0)]), ({"a": "2"}, [(0, 2.0)])]),
        scalar(1),
        string("1"),
        None,
        1,
    ],
)
def test_what_differs(other: object) -> None:
    assert vector(AB) == vector(AB)
    assert vector(AB) != other


def test_histograms_are_compared() -> None:
    assert histograms(1, 2) == histograms(1, 2)
    assert histograms(1, 2) != histograms(1, 3)
    assert histograms(1, 2) != replace(histograms(1, 2), native=None)
    assert histograms(1, 2) != histograms(2, 1)


def test_the_index_of_pandas_has_its_step() -> None:
    found = query("vector(1)", start=0, end=600, step="1m").pandas(wide=True)

    assert found.index.freq == pd.offsets.Minute()  # type: ignore[attr-defined]
    assert str(found.index.tz) == "UTC"  # type: ignore[attr-defined]
    assert found.resample("5min").sum()["value"].tolist() == [5, 5, 1]
    assert found.shift(1, freq="infer").index[0] == pd.Timestamp(60, unit="s", tz="UTC")
    for gaps in ([0], [0, 1, 3]):
        samples = raw([({}, [(at, 1.0) for at in gaps])]).pandas(wide=True)
        assert samples.index.freq is None  # type: ignore[attr-defined]
