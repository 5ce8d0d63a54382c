"""A result as a table for people: few rows, common labels once, and a count of omitted rows."""

from __future__ import annotations

import unicodedata
from dataclasses import field
from datetime import tzinfo
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from novaql.export.sparkline import sparkline
from novaql.fast_dataclass import dataclass
from novaql.result import Result, ResultKind
from novaql.text.histograms import short_histogram
from novaql.text.labels import printable, quoted, series_text
from novaql.text.numbers import number_text, short_number
from novaql.text.remarks import remark
from novaql.text.times import duration_text, in_zone, time_text
from novaql.tsdb.model.histograms import Histograms
from novaql.tsdb.model.labels import METRIC_NAME, Bools, SeriesTable
from novaql.tsdb.model.samples import Floats

LONGEST_LABEL = 40
SHORTEST_SERIES = 24
SHORTEST_SPARK = 8
GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its heading, its cells, and whether they end flush on the right."""

    heading: str
    cells: list[str]
    right: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """The part of a result that a person sees.

    title     kind, size and times in one line
    common    what all series share, as a selector, or ""
    columns   labels first, then numbers, then, for a matrix, the sparkline
    left_out  how many series are not in the columns
    notes     (kind, text) of the warnings and infos
    """

    title: str
    common: str = ""
    columns: list[Column] = field(default_factory=list)
    left_out: int = 0
    notes: list[tuple[str, str]] = field(default_factory=list)
    common_heading: str = "in every series:"


def table_of(
    result: Result,
    *,
    rows: int | None = 20,
    width: int | None = None,
    spark: int = 24,
    zone: tzinfo | None = None,
) -> Table:
    """The first `rows` series (None: all) as a table.

    width  columns of the terminal. What is wider, and metrics with different labels, have one
           column `name{labels}`, and shorter sparklines; a narrow one has no `min` and `max`
    spark  length of the sparklines
    zone   of the times, also of those in warnings and infos; None: UTC
    """
    notes = [("warning", printable(in_zone(remark(text), zone))) for text in result.warnings]
    notes += [("info", printable(in_zone(remark(text), zone))) for text in result.infos]
    if result.text is not None or result.kind is ResultKind.SCALAR:
        return Table(_single(result, zone), notes=notes)
    count = result.series.rows if rows is None else min(rows, result.series.rows)
    shown = result.series.take(np.arange(count))
    numbers = _numbers(result, count, spark)
    common, varying = split_common(result.series)
    labels = [
        Column(_cut(printable(name), LONGEST_LABEL), _label_cells(shown, name)) for name in varying
    ]
    mixed = METRIC_NAME in varying and any("" in column.cells for column in labels)
    if width is not None and (mixed or _width([*labels, *numbers]) - len(GAP) > width):
        texts = [series_text(one) for one in shown.keep(varying)]
        longest = max(map(cell_width, texts), default=0)
        over = _width(numbers) + min(longest, SHORTEST_SERIES) - width
        if over > 0 and result.kind is not ResultKind.VECTOR:
            numbers = _numbers(result, count, max(SHORTEST_SPARK, spark - over))
            if over > spark - SHORTEST_SPARK:
                numbers = [numbers[0], numbers[-1]]
        if mixed or _width([*labels, *numbers]) - len(GAP) > width:
            limit = max(SHORTEST_SPARK, width - _width(numbers))
            labels = [Column("series", [_cut(text, limit) for text in texts])]
    return Table(
        title(result, zone),
        series_text(common) if common else "",
        [*labels, *numbers] if count else [],
        result.series.rows - count,
        notes,
        "series:" if result.series.rows == 1 else "in every series:",
    )


def text_of(
    result: Result,
    *,
    rows: int | None = 20,
    width: int | None = None,
    spark: int = 24,
    zone: tzinfo | None = None,
) -> str:
    """The table of a result as aligned text; see `table_of`."""
    return render(table_of(result, rows=rows, width=width, spark=spark, zone=zone))


def render(table: Table, *, indent: str = "") -> str:
    """The table as aligned text, without a line break at the end."""
    lines = [table.title]
    if table.common:
        lines.append(f"{table.common_heading} {_cut(table.common, 200)}")
    if table.columns:
        widths = [max(map(cell_width, [column.heading, *column.cells])) for column in table.columns]
        cells = [[column.heading, *column.cells] for column in table.columns]
        for number, line in enumerate(zip(*cells, strict=True)):
            padded = [
                _pad(cell, size, right=column.right)
                for cell, size, column in zip(line, widths, table.columns, strict=True)
            ]
            lines.append((indent + GAP.join(padded)).rstrip())
            if number == 0:
                lines.append(indent + GAP.join("─" * size for size in widths))
    if table.left_out:
        lines.append(f"… {table.left_out} more series")
    lines += [f"{kind}: {text}" for kind, text in table.notes]
    return "\n".join(lines)


def title(result: Result, zone: tzinfo | None = None) -> str:
    """Kind, size and times in one line."""
    rows = f"{result.series.rows} series"
    if result.raw is not None:
        times = result.raw.times_ms
        between = (
            f", {time_text(int(times.min()), zone)} to {time_text(int(times.max()), zone)}"
            if len(times)
            else ""
        )
        return f"matrix: {rows}, {len(times)} samples{between}"
    times = result.times_ms
    if result.kind is ResultKind.VECTOR:
        return (
            f"vector: {rows} at {time_text(int(times[0]), zone)}"
            if len(times)
            else f"vector: {rows}"
        )
    if len(times) == 0:
        return f"matrix: {rows}"
    every = f" every {duration_text(int(times[1] - times[0]))}" if len(times) > 1 else ""
    between = f"{time_text(int(times[0]), zone)} to {time_text(int(times[-1]), zone)}"
    return f"matrix: {rows} × {len(times)} steps, {between}{every}"


def split_common(series: SeriesTable) -> tuple[dict[str, str], list[str]]:
    """Labels that every series has with one value, and the names of the others."""
    common, varying = {}, []
    for name in series.names():
        column = series.column(name)
        if (column.codes == column.codes[0]).all():
            common[name] = column.values[int(column.codes[0])]
        else:
            varying.append(name)
    return common, varying


class _Row(NamedTuple):
    """One series: [T] values, where there is a sample (None: everywhere), and which are histograms.

    which  [T] number of the histogram, -1 for a float; None: all are floats
    """

    values: Floats
    valid: Bools | None
    which: NDArray[np.int32] | None

    def floats(self) -> Bools | None:
        """Return where there is a float; None: everywhere."""
        if self.which is None:
            return self.valid
        return self.which < 0 if self.valid is None else self.valid & (self.which < 0)


def _row_of(result: Result, row: int) -> _Row:
    cells: slice | int
    if result.raw is not None:
        cells = slice(*result.raw.offsets[row : row + 2].tolist())
        values, native, valid = result.raw.values[cells], result.raw.native, None
    else:
        cells = row
        values, native = result.values[row], result.native
        valid = None if result.valid is None else result.valid[row]
    return _Row(values, valid, None if native is None else native.which[cells])


def cell_width(text: str) -> int:
    """Columns a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _single(result: Result, zone: tzinfo | None) -> str:
    times = result.times_ms
    at = f" at {time_text(int(times[0]), zone)}" if len(times) else ""
    if result.text is not None:
        return f"string {quoted(result.text)}{at}"
    return f"scalar {number_text(float(result.values[0, 0]))}{at}"


def _numbers(result: Result, count: int, spark: int) -> list[Column]:
    rows = [_row_of(result, row) for row in range(count)]
    native = result.native if result.raw is None else result.raw.native
    histograms = Histograms.none() if native is None else native.histograms
    newest = [_newest(row, histograms) for row in rows]
    if result.kind is ResultKind.VECTOR:
        return [Column("value", newest, right=True)]
    floats = [row.floats() for row in rows]
    present = [
        row.values if there is None else row.values[there]
        for row, there in zip(rows, floats, strict=True)
    ]
    drawn = [
        sparkline(row.values, there, width=spark) for row, there in zip(rows, floats, strict=True)
    ]
    return [
        Column("last", newest, right=True),
        Column("min", [_extreme(np.fmin, v) for v in present], right=True),
        Column("max", [_extreme(np.fmax, v) for v in present], right=True),
        Column("", drawn),
    ]


def _newest(row: _Row, histograms: Histograms) -> str:
    """The last sample of a series, a histogram in short."""
    there = np.arange(len(row.values)) if row.valid is None else np.flatnonzero(row.valid)
    if len(there) == 0:
        return ""
    number = -1 if row.which is None else int(row.which[there[-1]])
    if number < 0:
        return short_number(float(row.values[there[-1]]))
    return short_histogram(float(histograms.count[number]), float(histograms.sum[number]))


def _extreme(pick: np.ufunc, values: Floats) -> str:
    return short_number(float(pick.reduce(values))) if len(values) else ""


def _label_cells(series: SeriesTable, name: str) -> list[str]:
    column = series.column(name)
    used = set(column.codes.tolist())
    texts = {code: _cut(printable(column.values[code]), LONGEST_LABEL) for code in used}
    return [texts[code] for code in column.codes.tolist()]


def _width(columns: list[Column]) -> int:
    return sum(
        max(map(cell_width, [column.heading, *column.cells])) + len(GAP) for column in columns
    )


def _cut(text: str, width: int) -> str:
    """Return the text, without its middle if it is too long: series differ at both ends."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"


def _pad(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - cell_width(text))
    return space + text if right else text + space
