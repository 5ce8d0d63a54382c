"""Recognises tables in memory, without loading a library.

pandas frames and lazy frames of polars are recognised by their classes, if the library is loaded;
all others (polars, DuckDB relations, pyarrow, …) by the Arrow stream that they offer.
"""

from __future__ import annotations

import sys


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
