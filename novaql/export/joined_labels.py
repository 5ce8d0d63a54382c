"""Many label sets as JSON: Arrow joins the texts of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from json.encoder import encode_basestring as escaped
from typing import Any

import numpy as np
import pyarrow as pa

from novaql.export.arrow_arrays import numbers, strings
from novaql.export.text_cells import compute, joined_bytes
from novaql.tsdb.model.labels import LabelColumn


def joined_labels(columns: Sequence[tuple[str, LabelColumn]], always: int) -> bytes:
    """Return a list of objects. Every distinct text is escaped once.

    columns  by name, in order; none is empty
    always   the number of a column that all series have
    """
    cells: list[Any] = []
    for number, (name, column) in enumerate(columns):
        after = "," if number < always else ""
        before = "," if number > always else ""
        cells.append(_cells(name, column, before, after))
    nothing, opening, closing = strings(["", "{", "},"])
    rows = compute.binary_join_element_wise(opening, *cells, closing, nothing)
    return b"".join((b"[", joined_bytes(rows)[:-1], b"]"))


def _cells(name: str, column: LabelColumn, before: str, after: str) -> Any:
    """[rows] `"name":"value"` with the commas beside it; empty where the label is absent."""
    key = escaped(name)
    used = np.unique(column.codes)
    texts = [
        f"{before}{key}:{escaped(column.values[code])}{after}" if code else ""
        for code in used.tolist()
    ]
    place = np.searchsorted(used, column.codes).astype(np.int32)
    return strings(texts).take(numbers(place, pa.int32()))
