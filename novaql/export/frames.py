"""Frames of pandas and polars, a relation of DuckDB, plain NumPy arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from novaql.export.columns import HISTOGRAM, TIME, VALUE, long_form, wide_form
from novaql.export.missing import needs
from novaql.lazy_exports import lazy_module
from novaql.result import Arrays, NativeCells, Result

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl

    from novaql.export import histogram_arrow
else:
    histogram_arrow = lazy_module("novaql.export.histogram_arrow")  # loads pyarrow


def numpy_arrays(result: Result) -> Arrays:
    form = wide_form(result)
    values = form.values if form.valid is None else np.where(form.valid, form.values, np.nan)
    return Arrays(result.series.dicts(), form.times_ms.view("datetime64[ms]"), values)


def pandas_frame(result: Result, *, wide: bool) -> pd.DataFrame:
    with needs("pandas", extra="pandas"):
        import pandas as pd  # noqa: PLC0415 - an extra, and slow to load
    if result.text is None and wide:
        return _pandas_wide(result)
    form = long_form(result)
    columns: dict[str, Any] = {TIME: _pandas_times(form.times_ms.view("datetime64[ms]"))}
    columns[VALUE] = form.values if form.text is None else [form.text]
    if form.native is not None:
        columns[VALUE] = np.where(form.native.which < 0, form.values, np.nan)
        columns[HISTOGRAM] = _histogram_objects(form.native)
    for name, (_, column) in form.labels.items():
        # pandas counts from 0 and writes an absent value as -1.
        columns[name] = pd.Categorical.from_codes(
            column.codes[form.row] - 1, categories=pd.Index(column.values[1:], dtype="str")
        )
    return pd.DataFrame(columns)


def _histogram_objects(native: NativeCells) -> NDArray[np.object_]:
    """[N] dicts, as the Arrow column has structs; None for a float."""
    objects = np.empty(len(native.which), object)
    objects[:] = histogram_arrow.histogram_column(native).to_pylist()
    return objects


def _pandas_wide(result: Result) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - an extra, and slow to load

    labels, times, values = numpy_arrays(result)
    names = result.series.names()
    columns: pd.Index[Any]
    if not names:
        columns = pd.Index([VALUE] * len(labels))
    elif len(names) == 1:
        columns = pd.Index(result.series.column(names[0]).texts(), name=names[0])
    else:
        columns = pd.MultiIndex.from_arrays(
            [result.series.column(name).texts() for name in names], names=names
        )
    index = _pandas_times(times).rename(TIME)
    gaps = np.diff(times)
    if len(gaps) and (gaps == gaps[0]).all():
        step = pd.tseries.frequencies.to_offset(pd.Timedelta(gaps[0]))
        index = pd.DatetimeIndex(index, freq=step)
    return pd.DataFrame(values.T, index=index, columns=columns)


def _pandas_times(times: NDArray[np.datetime64]) -> pd.DatetimeIndex:
    import pandas as pd  # noqa: PLC0415 - an extra, and slow to load

    return pd.DatetimeIndex(times).tz_localize("UTC")


def polars_frame(result: Result, *, wide: bool) -> pl.DataFrame:
    with needs("polars", extra="polars"):
        import polars as pl  # noqa: PLC0415 - an extra, and slow to load
    frame = pl.from_arrow(result.arrow(layout="wide" if wide else "long"))
    assert isinstance(frame, pl.DataFrame)
    return frame


def duckdb_relation(
    result: Result, connection: duckdb.DuckDBPyConnection | None
) -> duckdb.DuckDBPyRelation:
    with needs("duckdb", extra="all"):
        import duckdb  # noqa: PLC0415 - optional, and slow to load
    return duckdb.from_arrow(result.arrow(), connection=connection or duckdb.default_connection())
