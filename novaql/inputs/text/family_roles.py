"""Which series of a table belong to one metric of a family, and as which part of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.labels import METRIC_NAME, Bools, Ints, SeriesTable, combine_codes
from novaql.tsdb.model.samples import Batch, HistogramSamples
from novaql.tsdb.model.source import Metadata

Suffixes = Mapping[str, Mapping[str, int]]
"""Metric type → end of the name → number of the part that such a series is, from 0."""

NO_ROLE = -1
PART_LABELS = {"histogram": "le", "summary": "quantile"}
"""The label in which the parts of one metric differ."""


@dataclass(frozen=True, slots=True, eq=False)
class Roles:
    """For each row of a table: the metric it belongs to and its part in it; -1: none.

    families  name of the family of each metric
    firsts    a row of each metric
    """

    metric: Ints
    role: Ints
    families: list[str]
    firsts: Ints


def types_of(metadata: Mapping[str, Metadata]) -> dict[str, str]:
    """Metric family → type."""
    return {name: known.type for name, known in metadata.items()}


def roles_of(series: SeriesTable, types: Mapping[str, str], suffixes: Suffixes) -> Roles:
    """Rows whose name is that of a family of one of the types, plus one of the type's suffixes."""
    names = series.column(METRIC_NAME)
    family = np.full(len(names.values), NO_ROLE, np.int64)
    role = np.full(len(names.values), NO_ROLE, np.int64)
    part_label: dict[str, list[int]] = {}
    found: dict[str, int] = {}
    for code, name in enumerate(names.values):
        for suffix in {suffix for parts in suffixes.values() for suffix in parts}:
            base = name.removesuffix(suffix)
            kind = types.get(base, "")
            if not name.endswith(suffix) or suffix not in suffixes.get(kind, ()):
                continue
            if suffix and name in types:
                continue  # it is a family of its own
            family[code] = found.setdefault(base, len(found))
            role[code] = suffixes[kind][suffix]
            if kind in PART_LABELS:
                part_label.setdefault(PART_LABELS[kind], []).append(code)
    of_row = family[names.codes]
    keys = [of_row + 1]
    for label, column in series.columns.items():
        if label == METRIC_NAME:
            continue
        if label in part_label:
            codes = column.codes.copy()
            codes[np.isin(names.codes, part_label[label])] = 0
            keys.append(codes.astype(np.int64))
        else:
            keys.append(column.codes.astype(np.int64))
    members = np.flatnonzero(of_row >= 0)
    metric = np.full(len(series), NO_ROLE, np.int64)
    # Rows are of one metric if their labels are equal, but for the name and the part's label.
    _, firsts, number = np.unique(
        combine_codes([key[members] for key in keys], len(members)),
        return_index=True,
        return_inverse=True,
    )
    metric[members] = number.ravel()
    bases = list(found)
    rows = members[firsts]
    return Roles(metric, role[names.codes], [bases[of_row[r]] for r in rows.tolist()], rows)


class UsedRows:
    """Takes the used rows of a table. Returns the same object for the same rows as before."""

    def __init__(self) -> None:
        self._last: tuple[SeriesTable, bytes, SeriesTable] | None = None

    def take(self, table: SeriesTable, used: Bools) -> tuple[SeriesTable, Ints]:
        """The table of the used rows, and the new number of each row."""
        numbers = np.cumsum(used) - 1
        if used.all():
            return table, numbers
        key = used.tobytes()
        if self._last is None or self._last[0] is not table or self._last[1] != key:
            self._last = (table, key, table.take(used))
        return self._last[2], numbers

    def batch(
        self,
        batch: Batch,
        some: Ints | Bools,
        table: SeriesTable,
        native: HistogramSamples | None,
        starts: Ints | None,
    ) -> Batch:
        """Some floats of a batch, and histograms; with the used rows of their table."""
        rows = batch.series_index[some]
        used = np.zeros(len(table), np.bool_)
        used[rows] = True
        if native is not None:
            used[native.series_index] = True
        table, numbers = self.take(table, used)
        if native is not None:
            native = replace(native, series_index=numbers[native.series_index])
        return Batch(
            table, numbers[rows], batch.timestamps[some], batch.values[some], native, starts
        )
