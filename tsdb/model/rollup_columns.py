"""Statistics of samples by series and cell, as arrays."""

from __future__ import annotations

from collections.abc import Mapping

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.labels import Bools, Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class CellColumns:
    """Statistics of the cells of S series, by series, then time.

    offsets            [S + 1] where the cells of each series begin
    first_ms, last_ms  [C] times of the first and the last sample of each cell
    timed              [C] whether these are times of samples; else, of staleness markers
    statistics         [C] each, by the names of `block/summarise.py`
    """

    offsets: Ints
    first_ms: Ints
    last_ms: Ints
    timed: Bools
    statistics: Mapping[str, Floats]
