"""Label sets as JSON: `[{"__name__":"up","job":"api"},…]`, column by column."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from novaql.export.arrow_arrays import numbers, strings
from novaql.export.text_cells import compute, joined_bytes
from tsdb.labels import LabelColumn, SeriesTable

FEW = 200
"""Series for which it is not worth it."""


def series_json(series: SeriesTable) -> bytes:
    """A list of objects, label names in order. Every distinct text is escaped once."""
    columns = [(name, column) for name, column in series.columns.items() if column.codes.any()]
    # Commas stand before and after a label that all of them have.
    always = next((n for n, (_, column) in enumerate(columns) if column.codes.all()), None)
    if series.rows < FEW or always is None:
        return orjson.dumps(series.dicts())
    cells: list[Any] = []
    for number, (name, column) in enumerate(columns):
        after = "," if number < always else ""
        before = "," if number > always else ""
        cells.append(_cells(name, column, before, after))
    nothing, opening, closing = strings(["", "{", "},"])
    rows = compute.binary_join_element_wise(opening, *cells, closing, nothing)
    return b"".join((b"[", joined_bytes(rows)[:-1], b"]"))


def _cells(name: str, column: LabelColumn, before: str, after: str) -> Any:
    """[rows] `"name":"value"` with what stands beside it; nothing where the label is absent."""
    key = orjson.dumps(name).decode()
    used = np.unique(column.codes)
    texts = [
        f"{before}{key}:{orjson.dumps(column.values[code]).decode()}{after}" if code else ""
        for code in used.tolist()
    ]
    place = np.searchsorted(used, column.codes).astype(np.int32)
    return strings(texts).take(numbers(place, pa.int32()))
