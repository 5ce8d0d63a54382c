"""One Parquet file that is opened when it is needed, and its row groups as pieces."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from novaql.errors import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs.parquet.piece import ROWS_AT_ONCE, Piece
from novaql.inputs.tables.arrow_table import read_arrow, series_of_column
from novaql.inputs.tables.arrow_time import TimeColumn
from novaql.inputs.tables.column_roles import NAME_NAMES, Columns, Layout, find_layout
from novaql.inputs.tables.table_metadata import metadata_of
from novaql.lazy_exports import lazy_module
from novaql.tsdb.model.labels import METRIC_NAME
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Metadata

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
else:  # loaded at the first use
    pa = lazy_module("pyarrow")
    pq = lazy_module("pyarrow.parquet")


@dataclass(frozen=True)
class ParquetFileAt:
    """Where a Parquet file is.

    name     for messages
    open     opens it: a path, or an object that `pyarrow.parquet.ParquetFile` reads
    folders  labels in the names of the folders above it, see `partitions`
    remote   whether each read is a request
    state    a value that changes when the file does; None: it does not change
    groups   numbers of the row groups that count; None: all
    """

    name: str
    open: Callable[[], Any]
    folders: Mapping[str, str]
    remote: bool = False
    state: Callable[[], object] | None = None
    groups: Callable[[], Sequence[int]] | None = None


class ParquetTable:
    """Samples in one file. Thread-safe. Methods raise `InputError`.

    columns  roles of its columns
    """

    def __init__(self, place: ParquetFileAt, columns: Columns) -> None:
        self.name = place.name
        self._place = place
        self._columns = replace(columns, folders=place.folders)
        self._lock = threading.Lock()
        self._state = None if place.state is None else place.state()
        self._pieces: list[Piece] | None = None

    def may_match(self, matchers: Sequence[Matcher]) -> bool:
        """Whether the folders above the file allow series that satisfy the matchers. Opens
        nothing."""
        if self._columns.labels is not None or self._columns.name is not None:
            return True
        # A folder with the name of a column of metric names may be the metric name instead of a
        # label.
        labels = {n: v for n, v in self._place.folders.items() if n.lower() not in NAME_NAMES}
        return all(m.matches(labels[m.name]) for m in matchers if m.name in labels)

    @cached_property
    def footer(self) -> pq.FileMetaData:
        with self._reading(), self._lock:
            source = self._place.open()
            with pq.ParquetFile(source) as file:
                return file.metadata

    @cached_property
    def schema(self) -> pa.Schema:
        with self._reading(), self.opened() as file:
            return file.schema_arrow

    @cached_property
    def layout(self) -> Layout:
        return find_layout(self.schema, self._columns, self.name)

    def metadata(self) -> dict[str, Metadata]:
        """Metadata of metrics, if NovaQL wrote the file."""
        return metadata_of(self.schema, self.name)

    def pieces(self) -> list[Piece]:
        """Each row group, in wide form once for each metric."""
        if self._pieces is None:
            layouts = long_layouts(self.layout, self.name)
            groups = self._groups()
            self._pieces = [Piece(self, group, one) for group in groups for one in layouts]
        return self._pieces

    def batches(self) -> Iterator[Batch]:
        """All samples."""
        groups = self._groups()
        used = self.layout.used
        parts = (part for group in groups for part in self.read(group, used))
        yield from read_arrow(parts, self.schema, self._columns, self.name)

    def read(self, group: int, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Some columns of a row group, some rows at a time."""
        with self._reading(group), self.opened() as file:
            if self._place.state is not None and self._place.state() != self._state:
                raise InputError(f"{self.name}: the file changed while it was read")
            yield from file.iter_batches(
                ROWS_AT_ONCE, row_groups=[group], columns=list(columns), use_threads=False
            )

    @cached_property
    def time(self) -> TimeColumn:
        """The reader of times. The first ones set the unit of plain numbers."""
        found = TimeColumn(self.layout.time, self._columns.time_unit)
        kind = self.schema.field(found.column).type
        plain = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        if plain and found.unit is None and self.footer.num_row_groups:
            for part in self.read(0, [found.column]):
                found.milliseconds(part.column(found.column))
                break
        return found

    def _groups(self) -> Sequence[int]:
        with self._reading():
            chosen = self._place.groups
            return range(self.footer.num_row_groups) if chosen is None else chosen()

    @contextmanager
    def opened(self) -> Iterator[pq.ParquetFile]:
        # Texts are read as dictionaries, as labels are stored.
        with self._reading():
            schema = self.footer.schema.to_arrow_schema()
        texts = [field.name for field in schema if pa.types.is_string(field.type)]
        with pq.ParquetFile(
            self._place.open(),
            metadata=self.footer,
            read_dictionary=texts,
            pre_buffer=self._place.remote,
        ) as file:
            yield file

    @contextmanager
    def _reading(self, group: int | None = None) -> Iterator[None]:
        """Errors of the file as `InputError`."""
        try:
            yield
        except (FileNotFoundError, PermissionError) as problem:
            raise InputError(f"{self.name}: {problem.strerror or problem}") from problem
        except (pa.ArrowException, UnicodeDecodeError, OSError) as problem:
            what = "this is no readable Parquet file"
            if group is not None:
                what = f"row group {group} is damaged"
            raise InputError(f"{self.name}: {what}: {problem}") from problem


def long_layouts(layout: Layout, what: str) -> list[Layout]:
    """The layout as several long ones, each with one column of values."""
    if layout.long:
        return [layout]
    series = [series_of_column(name) for name in layout.values]
    named = any(METRIC_NAME in labels for labels in series)
    found = []
    for column, labels in zip(layout.values, series, strict=True):
        for label in labels:
            if label != METRIC_NAME and (label in layout.labels or label in layout.folders):
                raise InputError(
                    f"{what}: the label {label} is a column and also inside a column's name"
                )
        one = replace(layout, values=(column,), long=True, folders={**layout.folders, **labels})
        found.append(replace(one, name=None, metric="") if named else one)
    return found
