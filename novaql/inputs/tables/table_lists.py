"""Lists of tables, and tables as dictionaries of columns → batches of samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from novaql.errors import InputError
from novaql.inputs.batch_stream import BatchStream
from novaql.inputs.tables.column_roles import BY_NAME, Columns
from novaql.inputs.tables.frames import read_frame
from novaql.inputs.tables.mixed_columns import unreadable_column
from novaql.lazy_exports import lazy_module
from novaql.tsdb.model.samples import Batch

if TYPE_CHECKING:
    import pyarrow as pa
else:  # loaded at the first use
    pa = lazy_module("pyarrow")


def read_frame_list(data: Sequence[Any], columns: Columns = BY_NAME) -> BatchStream:
    """The samples of one after the other. Raises `InputError`."""

    def batches() -> Iterator[Batch]:
        for number, one in enumerate(data):
            kind = type(one)
            module = kind.__module__.partition(".")[0].lstrip("_")
            yield from read_frame(one, columns, f"{module} {kind.__name__} {number}").batches

    return BatchStream(batches())


def read_column_dict(data: Mapping[str, Any], columns: Columns = BY_NAME) -> BatchStream:
    """Columns are lists, arrays of NumPy, or series of a library of frames. A text or number is
    that of each row. Raises `InputError`."""
    for name, column in data.items():
        if hasattr(column, "columns"):
            raise InputError(f"dict: {name} is a table, and not a column; a list of tables is data")
    lengths = [len(column) for column in data.values() if not _is_scalar(column)]
    if not lengths:
        raise InputError("dict: no value is a column, such as a list")
    whole = {n: [one] * lengths[0] if _is_scalar(one) else one for n, one in data.items()}
    try:
        table = pa.table(whole)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as problem:
        found = unreadable_column(whole) or f"the values are no columns of one table: {problem}"
        raise InputError(f"dict: {found}") from problem
    return read_frame(table, columns, "dict")


def _is_scalar(value: object) -> bool:
    return isinstance(value, str) or not hasattr(value, "__len__")
