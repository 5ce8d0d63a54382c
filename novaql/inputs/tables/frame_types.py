"""Recognises tables in memory, without loading a library.

pandas frames and lazy frames of polars are recognised by their classes, if the library is loaded;
all others (polars, DuckDB relations, pyarrow, …) by the Arrow stream that they offer. So are
collections of them, and open files.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard


def is_frame(data: object) -> bool:
    """Whether `read_frame` can read the object."""
    return is_pandas(data) or is_lazy_polars(data) or hasattr(data, "__arrow_c_stream__")


def is_pandas(data: object) -> bool:
    """Whether the object is a frame or a series of pandas."""
    module = sys.modules.get("pandas")
    return module is not None and isinstance(data, module.DataFrame | module.Series)


def is_lazy_polars(data: object) -> bool:
    """Whether the object is a lazy frame of polars."""
    module = sys.modules.get("polars")
    return module is not None and isinstance(data, module.LazyFrame)


def is_dataset(data: object) -> bool:
    """Whether the object is a dataset or a scanner of pyarrow."""
    module = sys.modules.get("pyarrow.dataset")
    return module is not None and isinstance(data, module.Dataset | module.Scanner)


def is_table_file(data: object) -> bool:
    """Whether the object is a file of Parquet or Arrow that pyarrow has opened."""
    parquet = sys.modules.get("pyarrow.parquet")
    if parquet is not None and isinstance(data, parquet.ParquetFile | parquet.ParquetDataset):
        return True
    ipc = sys.modules.get("pyarrow.ipc")
    return ipc is not None and isinstance(data, ipc.RecordBatchFileReader)


def is_frame_list(data: object) -> TypeGuard[Sequence[Any]]:
    """Whether the object is a list of frames or record batches, with at least one in it."""
    return isinstance(data, list | tuple) and len(data) > 0 and all(map(is_frame, data))


def is_column_dict(data: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether the object is a dictionary of columns."""
    return isinstance(data, dict) and len(data) > 0 and all(isinstance(n, str) for n in data)


def is_file_object(data: object) -> bool:
    """Whether the object can be read like an open file."""
    return callable(getattr(data, "read", None))
