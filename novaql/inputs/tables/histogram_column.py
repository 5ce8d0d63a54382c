"""Arrow structs with native histograms, as in results → native histograms.

Such a struct has count, sum, schema, zero_threshold, hint and the populated buckets with their
ends. Exponential histograms are restored exactly, but for a zero bucket with a negative population,
which no answer of Prometheus has either. Custom bounds are known only at the ends of populated
buckets. All histograms of a series get the bounds of all its rows, unless these contradict each
other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from novaql.errors import InputError
from novaql.inputs.tables.arrow_labels import label_column
from novaql.inputs.tables.arrow_numpy import nearest_floats
from novaql.lazy_exports import lazy_module
from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.histogram_buckets import upper_bounds
from novaql.tsdb.model.histograms import (
    CUSTOM_SCHEMA,
    MAX_SCHEMA,
    MIN_SCHEMA,
    Buckets,
    Floats,
    Histograms,
    ResetHint,
)
from novaql.tsdb.model.labels import Bools, Ints

if TYPE_CHECKING:
    import pyarrow as pa
else:  # loaded at the first use
    pa = lazy_module("pyarrow")

HISTOGRAM_NAME = "histogram"
_PARTS = {"count", "sum", "schema", "zero_threshold", "hint", "buckets"}
_HINTS = {hint.name.lower(): int(hint) for hint in ResetHint}
_LARGEST = float(np.finfo(np.float64).max)


def is_histogram(kind: pa.DataType) -> bool:
    """Whether a type is that of a column of native histograms."""
    return pa.types.is_struct(kind) and {field.name for field in kind} >= _PARTS


def read_histograms(array: pa.Array[Any], rows: Ints, series_index: Ints) -> Histograms:
    """The histograms of N rows of a column, none of which is null.

    series_index  [N] the series of each

    Raises `InputError`.
    """
    assert isinstance(array, pa.StructArray)
    parts = {field.name: part for field, part in zip(array.type, array.flatten(), strict=True)}
    scalars = {
        name: _numbers(parts[name], name, rows)
        for name in ("count", "sum", "schema", "zero_threshold")
    }
    schema = scalars["schema"].astype(np.int64)
    custom = schema == CUSTOM_SCHEMA
    strange = ~custom & ((schema < MIN_SCHEMA) | (schema > MAX_SCHEMA))
    if strange.any():
        raise InputError(f"column {HISTOGRAM_NAME}: there is no schema {schema[strange][0]}")
    offsets, lower, upper, population = _buckets(parts["buckets"], rows)
    row = np.repeat(np.arange(len(rows), dtype=np.int64), np.diff(offsets))
    of_custom = custom[row]
    is_zero = ~of_custom & (lower == -upper)
    above = np.flatnonzero(~of_custom & ~is_zero & (upper > 0))
    below = np.flatnonzero(~of_custom & ~is_zero & (upper <= 0))
    sets, number, index = _custom(
        np.flatnonzero(of_custom), row, series_index, lower, upper, custom
    )
    above_index = _index(schema[row[above]], lower[above], upper[above])
    below_index = _index(schema[row[below]], -upper[below], -lower[below])
    zero_count = np.zeros(len(rows))
    np.add.at(zero_count, row[is_zero], population[is_zero])
    inside = np.flatnonzero(of_custom)
    return Histograms(
        schema.astype(np.int8),
        _hints(parts["hint"], rows),
        scalars["count"],
        scalars["sum"],
        zero_count,
        scalars["zero_threshold"],
        Buckets.of_flat(
            np.concatenate([row[above], row[inside]]),
            np.concatenate([above_index, index]),
            np.concatenate([population[above], population[inside]]),
            len(rows),
        ),
        Buckets.of_flat(row[below], below_index, population[below], len(rows)),
        number,
        sets,
    )


def _index(schema: Ints, lower: Floats, upper: Floats) -> Ints:
    """[P] indexes of exponential buckets by their ends; the lower end may be cut off."""
    top = np.isinf(upper)
    end = np.where(top, lower, upper)  # the bucket above the last finite bound
    fraction, exponent = np.frexp(end)
    largest = end == _LARGEST  # in place of 2^1024, which is no float
    fraction, exponent = np.where(largest, 0.5, fraction), np.where(largest, 1025, exponent)
    with np.errstate(divide="ignore", invalid="ignore"):
        power = (exponent - 1) + np.log2(2 * fraction)
    place = np.rint(np.ldexp(power, schema.astype(np.int32)))
    sound = np.isfinite(place)
    index = np.where(sound, place, 0).astype(np.int64)
    with np.errstate(invalid="ignore"):
        sound &= np.isclose(upper_bounds(schema, index), end, rtol=1e-9, atol=0.0)
    if not sound.all():
        at = int(np.argmin(sound))
        raise InputError(
            f"column {HISTOGRAM_NAME}: schema {schema[at]} has no bucket from {lower[at]:g} "
            f"to {upper[at]:g}"
        )
    index[top] += 1
    return index


def _custom(
    inside: Ints, row: Ints, series_index: Ints, lower: Floats, upper: Floats, custom: Bools
) -> tuple[tuple[tuple[float, ...], ...], NDArray[np.int32], Ints]:
    """Sets of bounds, the set of each row [N], and the indexes of the buckets `inside`."""
    number = np.full(len(custom), -1, np.int32)
    if not custom.any():
        return (), number, np.zeros(0, np.int64)
    bucket_row, low, high = row[inside], lower[inside], upper[inside]
    if np.isnan(low).any() or np.isnan(high).any():
        raise InputError(f"column {HISTOGRAM_NAME}: the end of a bucket is NaN")
    owner = series_index.copy()
    known = _CustomBounds(owner[bucket_row], low, high, np.unique(owner[custom]))
    first, last = known.places(owner[bucket_row], low), known.places(owner[bucket_row], high)
    changed = np.isin(owner, owner[bucket_row[last - first != 1]])
    if changed.any():
        # The bounds of such a series differ between its rows, so each row has its own.
        owner[changed] = series_index.max() + 1 + np.flatnonzero(changed)
        known = _CustomBounds(owner[bucket_row], low, high, np.unique(owner[custom]))
        last = known.places(owner[bucket_row], high)
    number[custom] = known.set_of[np.searchsorted(known.owners, owner[custom])]
    return known.sets, number, last


class _CustomBounds:
    """The finite bounds at the ends of buckets, of all buckets with one owner together.

    owner, lower, upper  [P] of the buckets
    owners               all owners, ascending, also those without a bucket
    """

    def __init__(self, owner: Ints, lower: Floats, upper: Floats, owners: Ints) -> None:
        ends = np.concatenate([lower, upper])
        of = np.tile(owner, 2)[np.isfinite(ends)]
        ends = ends[np.isfinite(ends)]
        self._ranks = np.unique(ends)
        key = np.unique(self._key(of, ends))
        of, ends = key // self._width, self._ranks[key % self._width]
        self._keys = key
        self._first = np.searchsorted(of, owners)
        self.owners = owners
        stop = np.searchsorted(of, owners, "right")
        ids: dict[tuple[float, ...], int] = {}
        self.set_of = np.array(
            [
                ids.setdefault(tuple(ends[a:b].tolist()), len(ids))
                for a, b in zip(self._first.tolist(), stop.tolist(), strict=True)
            ],
            np.int32,
        )
        self.sets = tuple(ids)

    @property
    def _width(self) -> int:
        return len(self._ranks) + 1

    def _key(self, owner: Ints, ends: Floats) -> Ints:
        key: Ints = owner * self._width + np.searchsorted(self._ranks, ends)
        return key

    def places(self, owner: Ints, ends: Floats) -> Ints:
        """The index of each end in its owner's bounds; -1 for -Inf, their number for +Inf."""
        first = self._first[np.searchsorted(self.owners, owner)]
        place: Ints = np.searchsorted(self._keys, self._key(owner, ends)) - first
        return np.where(np.isneginf(ends), -1, place)


def _buckets(array: pa.Array[Any], rows: Ints) -> tuple[Ints, Floats, Floats, Floats]:
    """Offsets, lower ends, upper ends and populations of the rows."""
    if not isinstance(array, pa.ListArray | pa.LargeListArray) or _any_null(array, rows):
        raise InputError(f"column {HISTOGRAM_NAME}: buckets must be lists, and none of them null")
    all_offsets = array.offsets.to_numpy().astype(np.int64)
    sizes = np.diff(all_offsets)[rows]
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    if offsets[-1] == 0:
        none = np.zeros(0)
        return offsets, none, none, none
    items = array.values
    if not isinstance(items, pa.StructArray):
        raise InputError(f"column {HISTOGRAM_NAME}: buckets are {items.type}, not structs")
    parts = {field.name: part for field, part in zip(items.type, items.flatten(), strict=True)}
    missing = {"lower", "upper", "population"} - set(parts)
    if missing:
        raise InputError(f"column {HISTOGRAM_NAME}: buckets have no {', '.join(sorted(missing))}")
    flat = flat_positions(all_offsets[rows], sizes)
    lower, upper, population = (
        _numbers(parts[name], f"buckets.{name}", flat) for name in ("lower", "upper", "population")
    )
    return offsets, lower, upper, population


def _numbers(array: pa.Array[Any], part: str, rows: Ints) -> Floats:
    if _any_null(array, rows):
        raise InputError(f"column {HISTOGRAM_NAME}: {part} is null in a histogram")
    try:
        found: Floats = nearest_floats(array)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as problem:
        raise InputError(f"column {HISTOGRAM_NAME}: {part} is {array.type}") from problem
    return found[rows]


def _any_null(array: pa.Array[Any], rows: Ints) -> bool:
    if array.null_count == 0:
        return False
    return not array.is_valid().to_numpy(zero_copy_only=False)[rows].all()


def _hints(array: pa.Array[Any], rows: Ints) -> NDArray[np.int8]:
    column = label_column(array, HISTOGRAM_NAME).take(rows)
    codes = np.array([_HINTS.get(text, -1) for text in column.values], np.int8)[column.codes]
    if (codes < 0).any():
        unknown = column.values[int(column.codes[np.argmax(codes < 0)])]
        raise InputError(f"column {HISTOGRAM_NAME}: there is no reset hint {unknown!r}")
    return codes
