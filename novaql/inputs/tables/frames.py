"""Tables in memory, of any library → batches of samples."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from novaql.errors import InputError
from novaql.inputs.batch_stream import BatchStream
from novaql.inputs.tables.arrow_table import ROWS_AT_ONCE, read_arrow
from novaql.inputs.tables.column_roles import BY_NAME, Columns
from novaql.inputs.tables.frame_types import is_lazy_polars, is_pandas
from novaql.inputs.tables.mixed_columns import unreadable_column
from novaql.lazy_exports import lazy_module

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow as pa
else:  # loaded at the first use
    pandas = lazy_module("pandas")
    pa = lazy_module("pyarrow")


def read_frame(data: Any, columns: Columns = BY_NAME, what: str | None = None) -> BatchStream:
    """Batches from a pandas or polars frame, a DuckDB relation, or any Arrow stream.

    pandas has no absent numbers, so a NaN in a pandas frame is no sample; in every other table
    null is no sample and NaN is a value. Raises `InputError`.
    """
    what = what or _describe(data)
    if is_pandas(data):
        data = _from_pandas(data, what)
    elif is_lazy_polars(data):
        data = _collected(data, what)
    parts: Iterable[pa.RecordBatch]
    if isinstance(data, pa.Table):
        schema, parts = data.schema, data.to_batches(max_chunksize=ROWS_AT_ONCE)
    else:
        try:
            reader = pa.RecordBatchReader.from_stream(data)
        except Exception as problem:  # also those of functions of the caller
            if "non-struct" not in str(problem):
                raise _failure(what, problem) from problem
            raise InputError(
                f"{what}: is one column; pass a table with a column of times and one of values, "
                f"or a dict of such columns"
            ) from problem
        schema, parts = reader.schema, readable(reader, what)
    return BatchStream(read_arrow(parts, schema, columns, what))


def _collected(frame: polars.LazyFrame, what: str) -> polars.DataFrame:
    try:
        return frame.collect()
    except Exception as problem:  # also those of functions of the caller
        raise _failure(what, problem) from problem


def _failure(what: str, problem: Exception) -> InputError:
    """The error for a frame that cannot be computed; `problem` has the details."""
    first, *_ = str(problem).splitlines() or [type(problem).__name__]
    return InputError(f"{what}: {first}")


def readable(parts: Iterable[pa.RecordBatch], what: str) -> Iterator[pa.RecordBatch]:
    """The batches. Raises `InputError` where one cannot be read."""
    try:
        yield from parts
    except (pa.ArrowException, OSError, MemoryError) as problem:
        raise InputError(f"{what}: {problem}") from problem


def _describe(data: object) -> str:
    kind = type(data)
    return f"{kind.__module__.partition('.')[0].lstrip('_')} {kind.__name__}"


def _from_pandas(data: pandas.DataFrame | pandas.Series[Any], what: str) -> pa.Table:
    frame = _frame_of(data) if isinstance(data, pandas.Series) else data
    if frame.columns.nlevels > 1 or frame.columns.name is not None:
        frame = frame.set_axis(_series_names(frame.columns, what), axis=1)
    index = frame.index
    # An index of whole numbers without a name is row numbers, as after `concat` and filters.
    counted = index.nlevels == 1 and index.name is None and pandas.api.types.is_integer_dtype(index)
    if counted:
        frame = frame.reset_index(drop=True)
    else:
        if index.nlevels == 1 and index.name is None:
            # Any other index without a name is the time if no column is.
            frame = frame.rename_axis("time" if "time" not in frame.columns else "index")
        frame = frame.reset_index(allow_duplicates=True)
    frame = frame.set_axis([str(column) for column in frame.columns], axis=1)
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        index_too = "" if counted else " (the index counts as one)"
        raise InputError(f"{what}: there are several columns called {repeated[0]!r}{index_too}")
    try:
        return _arrow_table(frame)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as problem:
        found = unreadable_column({name: frame[name] for name in frame.columns})
        raise InputError(f"{what}: {found or '; '.join(map(str, problem.args))}") from problem


def _frame_of(data: pandas.Series[Any]) -> pandas.DataFrame:
    """A series as a frame: a column of the metric that it names, or of values without a name."""
    return data.to_frame("value" if data.name is None else data.name)


def _arrow_table(frame: pandas.DataFrame) -> pa.Table:
    """The frame as Arrow. Texts that are Python objects are encoded as they are read, as labels are
    stored: half of the work of strings that are encoded afterwards."""
    texts = {name: _encoded(frame[name]) for name in frame.columns if _has_texts(frame[name])}
    others = frame[[name for name in frame.columns if name not in texts]]
    dense: dict[Any, Any] = {
        name: kind.subtype
        for name, kind in others.dtypes.items()
        if isinstance(kind, pandas.SparseDtype)
    }
    if dense:
        others = others.astype(dense)
    table = pa.Table.from_pandas(others, preserve_index=False)
    names = list(frame.columns)
    return pa.table([texts[n] if n in texts else table.column(n) for n in names], names=names)


def _has_texts(column: pandas.Series[Any]) -> bool:
    """Whether a column has Python objects that are all texts, or missing."""
    return column.dtype == object and pandas.api.types.infer_dtype(column) == "string"


def _encoded(column: pandas.Series[Any]) -> pa.Array[Any]:
    kind = pa.dictionary(pa.int32(), pa.string())
    return pa.array(column.to_numpy(), kind, from_pandas=True)


def _series_names(columns: pandas.Index[Any], what: str) -> list[str]:
    """Names of series from columns with named levels, as of `pivot`: each level is a label."""
    labels = list(columns.names)
    if any(label is None for label in labels):
        raise InputError(
            f"{what}: the columns have several levels without names; "
            "name each after the label that it holds: frame.columns.names = […]"
        )
    rows = [values if isinstance(values, tuple) else (values,) for values in columns]
    return [
        "{"
        + ",".join(
            f"{json.dumps(str(label))}={json.dumps(str(value))}"
            for label, value in zip(labels, values, strict=True)
            if value is not None and value == value and value != ""
        )
        + "}"
        for values in rows
    ]
