"""The roles of the columns of a table: by name and type, or as the caller names them.

Long form   one row a sample: a time, one `value`, labels as columns or in one map or struct
Wide form   one column a metric: a time, any number of numeric columns whose names are metric
            names (or whole series, `http_requests_total{job="api"}`), text columns as labels

A table is long if it has a numeric column called value, val, v or _value; otherwise it is wide. A
long one may have a column `histogram` of native histograms, as results have, and a column `start`
of start timestamps, as files of samples have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from difflib import get_close_matches
from typing import TYPE_CHECKING

from novaql.errors import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs.tables.arrow_labels import holds_labels, is_text
from novaql.inputs.tables.arrow_time import TimeUnit, is_time
from novaql.inputs.tables.histogram_column import HISTOGRAM_NAME, is_histogram
from novaql.lazy_exports import lazy_module
from novaql.tsdb.model.labels import METRIC_NAME

if TYPE_CHECKING:
    import pyarrow as pa
else:  # loaded at the first use
    pa = lazy_module("pyarrow")

TIME_NAMES = ("timestamp", "time", "ts", "datetime", "date", "_time", "@timestamp", "t")
VALUE_NAMES = ("value", "val", "v", "_value")
START_NAME = "start"
NAME_NAMES = (METRIC_NAME, "metric_name", "metric", "name", "_measurement")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that the caller names; None: by name and type.

    time       column of times
    value      column of values (long form), or several (wide form)
    labels     columns that are labels; the other ones are not read
    name       column with the metric name, or, if there is no such column, the name itself
    time_unit  unit of a numeric time column
    folders    label → value in the names of the folders above a file (`partitions`); they replace
               columns of the same name
    """

    time: str | None = None
    value: str | Sequence[str] | None = None
    labels: Sequence[str] | None = None
    name: str | None = None
    time_unit: TimeUnit | None = None
    folders: Mapping[str, str] = field(default_factory=dict)


BY_NAME = Columns()
"""Every column is found by its name and type."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns by their role.

    values  the one column of values (long), or one for each metric (wide)
    labels  label columns, maps and structs among them
    name    column of metric names, None if there is none
    metric  metric name if no column has it; "": none
    native  column of native histograms (long form), None if there is none
    start   column of start timestamps (long form) as NovaQL writes it, None if there is none
    folders label → value of every series, from the folders above the file
    """

    time: str
    values: tuple[str, ...]
    labels: tuple[str, ...]
    long: bool
    name: str | None = None
    metric: str = ""
    native: str | None = None
    start: str | None = None
    folders: Mapping[str, str] = field(default_factory=dict)

    @property
    def used(self) -> list[str]:
        named = [name for name in (self.name, self.native, self.start) if name is not None]
        return list(dict.fromkeys([self.time, *self.values, *self.labels, *named]))


def find_layout(schema: pa.Schema, columns: Columns, what: str) -> Layout:
    """The layout of a table. `what` names the table in messages. Raises `InputError`."""
    if len(set(schema.names)) < len(schema.names):
        twice = next(name for name in schema.names if schema.names.count(name) > 1)
        raise InputError(f"{what}: there are several columns called {twice!r}")
    time = _time_column(schema, columns, what)
    folders = dict(columns.folders)
    covered = folders.keys() - set(VALUE_NAMES)
    rest = [name for name in schema.names if name != time and name not in covered]
    values, long = _value_columns(schema, columns, rest, what)
    native = _native_column(schema, columns) if long else None
    start = _start_column(schema, columns) if long else None
    rest = [n for n in rest if n not in (native, start)]
    name, metric = _metric_name(schema, columns, [n for n in rest if n not in values])
    if name is None:
        metric = _folder_of_name(columns, folders, metric, long=long)
    if columns.labels is not None:
        for label in columns.labels:
            if label not in columns.folders:
                _must_exist(schema, label, "labels", what)
        labels = [n for n in columns.labels if n not in (time, name, *columns.folders)]
        folders = {n: value for n, value in folders.items() if n in columns.labels}
    else:
        others = [n for n in rest if n not in values and n != name]
        labels = others if long else [n for n in others if not _is_number(schema, n)]
    return Layout(time, tuple(values), tuple(labels), long, name, metric, native, start, folders)


def later_numbers(schema: pa.Schema, columns: Columns, what: str) -> dict[str, pa.DataType]:
    """Columns of values whose types come from the first rows of a text, if these have whole numbers
    or nothing there: name → a type that takes the fractions of later rows. Raises `InputError`."""
    kinds = {name: schema.field(name).type for name in find_layout(schema, columns, what).values}
    types = pa.types
    return {n: pa.float64() for n, k in kinds.items() if types.is_integer(k) or types.is_null(k)}


def _time_column(schema: pa.Schema, columns: Columns, what: str) -> str:
    if columns.time is not None:
        _must_exist(schema, columns.time, "time", what)
        return columns.time
    wanted = [*TIME_NAMES, *(f"{n}_{u}" for n in TIME_NAMES for u in ("ms", "s", "us", "ns"))]
    by_name = {name.lower(): name for name in reversed(schema.names)}
    for candidate in wanted:
        if candidate in by_name:
            return by_name[candidate]
    typed = [field.name for field in schema if is_time(field.type)]
    if len(typed) == 1:
        return typed[0]
    if not schema.names:
        raise InputError(f"{what}: the table has no columns")
    reason = "several columns hold times" if typed else "no column is called time or timestamp"
    raise InputError(
        f"{what}: {reason}; name the column: frame(data, time=…), or "
        "`novaql import --time-column …`. "
        f"The columns are {_listed(typed or schema.names)}"
    )


def _value_columns(
    schema: pa.Schema, columns: Columns, rest: list[str], what: str
) -> tuple[list[str], bool]:
    if columns.value is not None:
        one = isinstance(columns.value, str)
        values = [columns.value] if isinstance(columns.value, str) else list(columns.value)
        for value in values:
            _must_exist(schema, value, "value", what)
            if not _is_number(schema, value):
                kind = schema.field(value).type
                raise InputError(f"{what}: column {value} is {kind}, a value must be a number")
        if not values:
            raise InputError(f"{what}: value=[] names no column")
        return values, one
    by_name = {name.lower(): name for name in reversed(rest)}
    for candidate in VALUE_NAMES:
        if candidate in by_name and _is_number(schema, by_name[candidate]):
            return [by_name[candidate]], True
    taken = {*(columns.labels or ()), columns.name}
    numeric = [name for name in rest if name not in taken and _is_number(schema, name)]
    if not numeric:
        raise _no_numbers(schema, by_name, what)
    if METRIC_NAME in rest and METRIC_NAME not in taken and columns.name is None:
        raise InputError(
            f"{what}: {METRIC_NAME} names the metric of each row, and no column of numbers is "
            f"called value; name the column: frame(data, value=…), or `novaql import "
            f"--value-column …`. Columns of numbers: {_listed(numeric)}"
        )
    return numeric, False


def _no_numbers(schema: pa.Schema, by_name: Mapping[str, str], what: str) -> InputError:
    """The error of a table without values: the column that should have them, or all columns."""
    texts = [by_name[name] for name in VALUE_NAMES if name in by_name]
    if texts and is_text(schema.field(texts[0]).type):
        found = (
            f": column {texts[0]} is of text; convert it to numbers, for example with "
            ".astype(float)"
        )
    else:
        found = "; the columns are " + _listed([f"{one.name} ({one.type})" for one in schema])
    return InputError(f"{what}: there is no column of numbers beside the time{found}")


def _native_column(schema: pa.Schema, columns: Columns) -> str | None:
    name = HISTOGRAM_NAME
    if name not in schema.names or name in (columns.labels or ()):
        return None
    return name if is_histogram(schema.field(name).type) else None


def _start_column(schema: pa.Schema, columns: Columns) -> str | None:
    """The marked column of a file that NovaQL wrote; an unmarked one is a label."""
    name = START_NAME
    if name not in schema.names or name in (columns.labels or ()):
        return None
    field = schema.field(name)
    marked = (field.metadata or {}).get(b"novaql") == name.encode()
    return name if marked and is_time(field.type) else None


def _metric_name(schema: pa.Schema, columns: Columns, rest: list[str]) -> tuple[str | None, str]:
    if columns.name is not None:
        if columns.name in schema.names and columns.name not in columns.folders:
            return columns.name, ""
        return None, columns.name
    by_name = {name.lower(): name for name in reversed(rest)}
    for candidate in NAME_NAMES:
        found = by_name.get(candidate)
        if found is not None and not holds_labels(schema.field(found).type):
            return found, ""
    return None, ""


def _folder_of_name(columns: Columns, folders: dict[str, str], metric: str, *, long: bool) -> str:
    """The metric name from the name of a folder, which is then no label, or else `metric`."""
    if columns.name is not None:
        return folders.pop(columns.name, metric)
    by_name = {name.lower(): name for name in folders}
    found = next((by_name[known] for known in NAME_NAMES if known in by_name), None)
    return folders.pop(found) if long and found is not None else metric


def _is_number(schema: pa.Schema, name: str) -> bool:
    kind = schema.field(name).type
    types = pa.types
    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_boolean(kind)
        or types.is_null(kind)
    )


def _must_exist(schema: pa.Schema, column: str, argument: str, what: str) -> None:
    if column not in schema.names:
        near = get_close_matches(column, schema.names, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {_listed(schema.names)}"
        raise InputError(f"{what}: {argument}: there is no column {column!r}; {hint}")


def _listed(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
