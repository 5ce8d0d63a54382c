"""The result of a query, with methods that convert it.

The conversions are in `novaql/export/`, one in each file. `_FORMS` names them; each loads at its
first use, so that this module depends on none of them.
"""

from __future__ import annotations

import io
import operator
import os
from collections.abc import Callable, Iterator
from dataclasses import field, replace
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, SupportsIndex, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from novaql.errors import ArgumentError
from novaql.fast_dataclass import dataclass
from novaql.lazy_exports import lazy_module
from novaql.result.append_only_matrix import CachedTexts
from novaql.result.cells import NativeCells, Points, points_at
from novaql.result.equality import equal_points, equal_series
from novaql.tsdb.model.labels import Bools, Ints, SeriesTable
from novaql.tsdb.model.samples import Floats

if TYPE_CHECKING:
    import json

    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from matplotlib.axes import Axes
else:  # 4 ms, for one conversion
    json = lazy_module("json")


Layout = Literal["long", "wide"]
FloatFormat = str | Callable[[float], str]

_FORMS = {
    "csv": ("novaql.export.csv_text", "write_csv"),
    "duckdb": ("novaql.export.frames", "duckdb_relation"),
    "html": ("novaql.export.html", "html_of"),
    "arrow long": ("novaql.export.arrow", "long_table"),
    "arrow wide": ("novaql.export.arrow", "wide_table"),
    "json": ("novaql.export.prometheus_json", "prometheus_data"),
    "numpy": ("novaql.export.frames", "numpy_arrays"),
    "pandas": ("novaql.export.frames", "pandas_frame"),
    "plot": ("novaql.export.plot", "plot"),
    "polars": ("novaql.export.frames", "polars_frame"),
    "table": ("novaql.export.table", "text_of"),
}
"""The conversions of a result: module and function, whose first argument is the result."""


def _convert(form: str, result: Result, *arguments: Any, **options: Any) -> Any:
    module, function = _FORMS[form]
    return getattr(import_module(module), function)(result, *arguments, **options)


class ResultKind(StrEnum):
    """Prometheus's `resultType`."""

    SCALAR = "scalar"
    VECTOR = "vector"
    MATRIX = "matrix"
    STRING = "string"


@dataclass(frozen=True, slots=True)
class QueryStats:
    """The cost of the query: series selected, samples read, their bytes, seconds for each stage."""

    series: int = 0
    samples: int = 0
    bytes: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


class Arrays(NamedTuple):
    """A result as plain arrays.

    labels  [S] label sets
    times   [T] datetime64[ms], UTC
    values  [S, T] float64; NaN also where there is no sample (`Result.valid` distinguishes the two)
    """

    labels: list[dict[str, str]]
    times: NDArray[np.datetime64]
    values: Floats


class Series(NamedTuple):
    """One series of a result: its labels, and [T] times (datetime64[ms], UTC) and values.

    A value that is a native histogram is NaN here; `Result.points` has the histograms. Series are
    equal if their labels, times and values are; NaN equals NaN. They have no hash.
    """

    labels: dict[str, str]
    times: NDArray[np.datetime64]
    values: Floats

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Series):
            return NotImplemented
        return (
            self.labels == other.labels
            and np.array_equal(self.times, other.times)
            and np.array_equal(self.values, other.values, equal_nan=True)
        )

    def __ne__(self, other: object) -> bool:  # a tuple has its own
        return not self == other

    def __hash__(self) -> int:
        raise TypeError("unhashable type: 'Series'")  # it has arrays


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Result:
    """Result of a query; rows are series, columns are steps.

    `len` counts series; iteration yields a `Series` for each, with the samples it has, `result[0]`
    one of them, and `result[:10]` a result of some. `float(result)` is the value of a result with
    one sample, and `numpy.asarray(result)` the values of `numpy()`. Results are equal if their
    kinds, series, times and values are, in the same order; NaN equals NaN. They have no hash, as
    frames and tables have none: a set or the keys of a dict cannot have results.

    kind      scalar: one row without labels, one step (a range query of a scalar is a matrix).
              vector: one step. matrix: many, or, for a range selector as an instant query, `raw`.
    series    labels of each row
    times_ms  [J] steps in milliseconds
    values    [S, J]; undefined where not valid
    valid     [S, J], or None: all values are present. NaN is an ordinary value
    raw       samples with their own times (instant query of a range vector); then times_ms and
              values are empty
    text      a string result
    native    which values are native histograms (`which`: [S, J]), or None: no value is; their
              floats are undefined. For raw samples: `raw.native`
    texts     cached texts of `values`, if a result cache has refreshed an earlier result
    """

    kind: ResultKind
    series: SeriesTable
    times_ms: Ints
    values: Floats
    valid: Bools | None = None
    raw: Points | None = None
    text: str | None = None
    native: NativeCells | None = None
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()
    stats: QueryStats = field(default_factory=QueryStats)
    texts: CachedTexts | None = None

    def points(self) -> Points:
        """Return the present points of every row, row after row."""
        if self.raw is not None:
            return self.raw
        return points_at(self.times_ms, self.values, self.valid, self.native)

    def rows(self, first: int, last: int) -> Result:
        """Return the series from number `first` up to `last`, excluding `last`."""
        return self._taken(slice(first, last))

    def _taken(self, some: slice) -> Result:
        """Return some series; copies no values unless they are raw."""
        chosen = np.arange(*some.indices(len(self)))
        series, native, raw = self.series.take(chosen), self.native, self.raw
        if raw is not None:
            return replace(self, series=series, raw=raw.take(chosen))
        if native is not None:
            native = NativeCells(native.histograms, native.which[some])
        valid = None if self.valid is None else self.valid[some]
        return replace(self, series=series, values=self.values[some], valid=valid, native=native)

    @overload
    def __getitem__(self, place: SupportsIndex) -> Series: ...
    @overload
    def __getitem__(self, place: slice) -> Result: ...
    def __getitem__(self, place: SupportsIndex | slice) -> Series | Result:
        if isinstance(place, slice):
            return self._taken(place)
        try:
            number = operator.index(place)
        except TypeError:
            raise TypeError(
                "a result takes the whole number of a series, or a slice, not "
                f"{type(place).__name__}; "
                'by labels: [one for one in result if one.labels.get("job") == "api"], '
                'or {job="api"} in the query'
            ) from None
        row = range(len(self))[number]  # raises IndexError
        return next(iter(self.rows(row, row + 1)))

    def item(self) -> float:
        """Return the value of a result that is one float: a scalar, or one series with one sample.

        Raises `ArgumentError` for any other result.
        """
        points = self.points()
        if self.text is not None or len(points.values) != 1:
            what = "a text" if self.text is not None else f"{len(points.values)} samples"
        elif points.native is not None:
            what = "a native histogram"
        else:
            return float(points.values[0])
        raise ArgumentError("result", f"is {what}, not one float")

    def __float__(self) -> float:
        return self.item()

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        values = self.numpy().values
        if copy is False and not np.shares_memory(values, self.values):
            raise ValueError("these values cannot be an array without a copy")
        return np.array(values, dtype, copy=copy)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Result):
            return NotImplemented
        return (
            (self.kind, self.text, len(self)) == (other.kind, other.text, len(other))
            and np.array_equal(self.times_ms, other.times_ms)
            and equal_points(self.points(), other.points())
            and equal_series(self.series, other.series)
        )

    __hash__ = None  # type: ignore[assignment]  # it has arrays

    def __len__(self) -> int:
        return self.series.rows

    def __iter__(self) -> Iterator[Series]:
        points = self.points()
        bounds = points.offsets.tolist()
        times = points.times_ms.astype("datetime64[ms]")
        values = points.floats()
        for row, labels in enumerate(self.series):
            first, last = bounds[row], bounds[row + 1]
            yield Series(labels, times[first:last], values[first:last])

    def arrow(self, *, layout: Layout = "long") -> pa.Table:
        """Convert to an Arrow table.

        long  one row for each sample: `time` (timestamp[ms, UTC]), `value` (float64), and a
              dictionary column for each label, null if the series does not have it. A label named
              `time` or `value` becomes `label_time`, `label_value`. Native histograms are in a
              struct column `histogram`; each row has a histogram or a value, and null in the other
        wide  one row for each time: `time`, and a float64 column for each series, named like
              `up{job="api"}`, null where the series has no float

        A string result is one row whose `value` is text, in either layout.
        """
        if layout not in ("long", "wide"):
            raise ArgumentError("layout", "is either 'long' or 'wide'")
        table: pa.Table = _convert("arrow wide" if layout == "wide" else "arrow long", self)
        return table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The long layout for any library that supports Arrow's PyCapsule interface."""
        table = self.arrow()
        stream: object = table.__arrow_c_stream__(requested_schema)  # type: ignore[no-untyped-call]
        return stream

    def pandas(self, *, wide: bool = False) -> pd.DataFrame:
        """Convert to a pandas frame; times are datetime64[ms, UTC], values float64, labels
        categorical.

        wide  time is the index, with the step as its `freq`, and each series a column; the labels
              are the column index (a plain index for one label, else a MultiIndex), so that after
              `sum by (mode)` `frame["idle"]` is a series. A missing sample is NaN
        """
        frame: pd.DataFrame = _convert("pandas", self, wide=wide)
        return frame

    def polars(self, *, wide: bool = False) -> pl.DataFrame:
        """Convert to a polars frame, from the Arrow table in that layout."""
        frame: pl.DataFrame = _convert("polars", self, wide=wide)
        return frame

    def duckdb(
        self, connection: duckdb.DuckDBPyConnection | None = None
    ) -> duckdb.DuckDBPyRelation:
        """Convert to a DuckDB relation over the long layout, on `connection` or DuckDB's default
        one."""
        relation: duckdb.DuckDBPyRelation = _convert("duckdb", self, connection)
        return relation

    def numpy(self) -> Arrays:
        """Return `labels, times, values`: label sets [S], datetime64[ms] [T], float64 [S, T].

        A missing sample is NaN; `valid` distinguishes it from a value NaN.
        """
        arrays: Arrays = _convert("numpy", self)
        return arrays

    @overload
    def csv(
        self,
        path: None = None,
        *,
        float_format: FloatFormat | None = None,
        guard_formulas: bool = False,
    ) -> str: ...
    @overload
    def csv(
        self,
        path: str | os.PathLike[str],
        *,
        float_format: FloatFormat | None = None,
        guard_formulas: bool = False,
    ) -> None: ...
    def csv(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        float_format: FloatFormat | None = None,
        guard_formulas: bool = False,
    ) -> str | None:
        r"""Return the long layout as CSV, or write it to a file (UTF-8). Lines end in `\n`.

        float_format    how values are written, such as "%.3f" or `"{:,.2f}".format`; default: the
                        shortest decimal that reads back as the same float. NaN and infinities are
                        `NaN`, `+Inf` and `-Inf` in any format
        guard_formulas  put an apostrophe before texts that a spreadsheet would evaluate: those that
                        begin with `=`, `+`, `-`, `@`, a tab or a line break
        """
        options: dict[str, Any] = {"float_format": float_format, "guard_formulas": guard_formulas}
        if path is None:
            text = io.BytesIO()
            _convert("csv", self, text, **options)
            return text.getvalue().decode()
        with open(path, "wb") as file:
            _convert("csv", self, file, **options)
        return None

    def json(self) -> str:
        """Return JSON like `data` in Prometheus's API: `{"resultType": …, "result": …}`."""
        data: bytes = _convert("json", self)
        return data.decode()

    def to_prometheus(self) -> dict[str, Any]:
        """Return the content of `json` as Python objects: values are texts, times are seconds."""
        data: dict[str, Any] = json.loads(self.json())
        return data

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw with matplotlib (extra `plot`): lines for a matrix, bars for a vector."""
        axes: Axes = _convert("plot", self, ax)
        return axes

    def __repr__(self) -> str:
        text: str = _convert("table", self, rows=20, width=110)
        return text

    def _repr_html_(self) -> str:
        text: str = _convert("html", self)
        return text
