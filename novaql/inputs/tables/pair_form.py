"""Two Parquet files for one set of series: labels in one, samples in the other.

NAME.series.parquet    series_id, labels (a map)
NAME.samples.parquet   series_id, a time (timestamp_ms), value
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from novaql.errors import InputError
from novaql.inputs.batch_stream import Progress
from novaql.inputs.tables.arrow_labels import holds_labels, label_column, map_columns
from novaql.inputs.tables.arrow_table import number_column
from novaql.inputs.tables.arrow_time import TimeColumn
from novaql.inputs.tables.column_roles import BY_NAME, find_layout
from novaql.inputs.tables.parquet_file import open_parquet, row_groups
from novaql.lazy_exports import lazy_module
from novaql.tsdb.model.labels import Ints, LabelColumn, SeriesTable
from novaql.tsdb.model.samples import Batch

if TYPE_CHECKING:
    import pyarrow as pa
else:  # loaded at the first use
    pa = lazy_module("pyarrow")

SERIES_SUFFIX = ".series.parquet"
SAMPLES_SUFFIX = ".samples.parquet"
ID = "series_id"


def pair_of(path: Path) -> tuple[Path, Path] | None:
    """The two files of a path that is one of them, or their common beginning; None: no pair."""
    base = str(path).removesuffix(SERIES_SUFFIX).removesuffix(SAMPLES_SUFFIX)
    series, samples = Path(base + SERIES_SUFFIX), Path(base + SAMPLES_SUFFIX)
    return (series, samples) if series.is_file() and samples.is_file() else None


def read_pair(series_path: Path, samples_path: Path, progress: Progress) -> Iterator[Batch]:
    """One batch for each row group of samples. All share one table of series."""
    table, ids = _read_series(series_path)
    file = open_parquet(samples_path)
    schema = file.schema_arrow
    if ID not in schema.names:
        raise InputError(f"{samples_path}: there is no column {ID}")
    layout = find_layout(schema, BY_NAME, str(samples_path))
    if not layout.long:
        raise InputError(f"{samples_path}: there is no column called value")
    times = TimeColumn(layout.time)
    value = layout.values[0]
    first_row = 0
    for part in row_groups(file, samples_path, [ID, layout.time, value], progress):
        try:
            index = _rows_of_ids(_ids(part.column(ID)), ids, first_row)
            at = times.milliseconds(part.column(layout.time), first_row)
            values, present = number_column(part.column(value), value)
        except InputError as problem:
            raise InputError(f"{samples_path}: {problem}") from problem
        if present is not None:
            index, at, values = index[present], at[present], values[present]
        yield Batch(table, index, at, values)
        first_row += part.num_rows


def _read_series(path: Path) -> tuple[SeriesTable, Ints]:
    """The label sets, and the id of each."""
    columns: dict[str, LabelColumn] = {}
    table = open_parquet(path).read().combine_chunks()
    if ID not in table.column_names:
        raise InputError(f"{path}: there is no column {ID}")
    try:
        ids = _ids(table[ID].combine_chunks())
        for name in table.column_names:
            if name == ID:
                continue
            array = table[name].combine_chunks()
            nested = holds_labels(array.type)
            columns |= map_columns(array, name) if nested else {name: label_column(array, name)}
    except InputError as problem:
        raise InputError(f"{path}: {problem}") from problem
    if len(np.unique(ids)) < len(ids):
        raise InputError(f"{path}: a {ID} occurs twice")
    return SeriesTable.from_columns(len(ids), columns), ids


def _ids(array: pa.Array[Any] | pa.ChunkedArray[Any]) -> Ints:
    if not pa.types.is_integer(array.type) or array.null_count:
        raise InputError(f"column {ID}: every row needs a whole number")
    return array.to_numpy(zero_copy_only=False).astype(np.int64)


def _rows_of_ids(wanted: Ints, ids: Ints, first_row: int) -> Ints:
    order = np.argsort(ids, kind="stable")
    known = ids[order]
    place = np.minimum(np.searchsorted(known, wanted), max(0, len(known) - 1))
    unknown = known[place] != wanted if len(known) else np.ones(len(wanted), np.bool_)
    if unknown.any():
        row = int(np.argmax(unknown))
        raise InputError(
            f"column {ID}: row {first_row + row} has {wanted[row]}, which the series file lacks"
        )
    rows: Ints = order[place]
    return rows
