"""Columns of Python objects that are no column of Arrow: which, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from novaql.lazy_exports import lazy_module

if TYPE_CHECKING:
    import pyarrow as pa
else:  # loaded at the first use
    pa = lazy_module("pyarrow")


def unreadable_column(columns: Mapping[str, Any]) -> str | None:
    """What is wrong with the first column that Arrow cannot read; None if each can be read."""
    for name, column in columns.items():
        try:
            pa.array(column, from_pandas=True)
        except OverflowError:
            return (
                f"column {name} has whole numbers of more than 64 bits; convert them to floats "
                f"for values, or to text for a label"
            )
        except (pa.ArrowException, TypeError, ValueError) as problem:
            kinds = _kinds(column)
            if len(kinds) < 2:
                return f"column {name}: {problem}"
            return (
                f"column {name} mixes the types {' and '.join(kinds)}; convert it to one, a label "
                f"to text, as by .astype(str) in pandas"
            )
    return None


def _kinds(column: Iterable[Any]) -> list[str]:
    """The types of what is not missing."""
    return sorted({type(one).__name__ for one in column if not _is_missing(one)})


def _is_missing(value: object) -> bool:
    """None, NaN, NaT, or pandas.NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    kinds = (float, np.floating, np.datetime64, np.timedelta64)
    return isinstance(value, kinds) and bool(value != value)
