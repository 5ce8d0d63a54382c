"""Labels in the names of folders: `host=a/date=2026-01-01/part.parquet`, as Hive writes them.

DuckDB and polars read such folders as columns of text, so they are labels here. As there, a folder
replaces a column of the same name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePath
from urllib.parse import unquote_to_bytes

from novaql.tsdb.model.labels import LabelColumn, SeriesTable
from novaql.tsdb.model.samples import Batch

MISSING = "__HIVE_DEFAULT_PARTITION__"
Partition = Mapping[str, str]


def partition_of(path: PurePath) -> Partition:
    """Label → value of each folder `label=value` in the path of a file; "": Hive has no value. Of
    two folders with the same label the deeper one counts."""
    found: dict[str, str] = {}
    for folder in path.parent.parts:
        if is_partition(folder):
            label, _, value = folder.partition("=")
            found[_decoded(label)] = "" if value == MISSING else _decoded(value)
    return found


def is_partition(folder: str) -> bool:
    """Whether a folder is called `label=value`. An empty value means that the label is absent."""
    return folder.find("=") > 0


def _decoded(text: str) -> str:
    """A text with %2F for a slash, and so on; unchanged if the result is not UTF-8."""
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeError:
        return text


def with_partition(batches: Iterable[Batch], partition: Partition) -> Iterator[Batch]:
    """Batches with the labels of their file's folders. Those that share a table share one again."""
    last: tuple[SeriesTable, SeriesTable] | None = None
    for batch in batches:
        if not partition:
            yield batch
            continue
        if last is None or last[0] is not batch.series:
            last = (batch.series, _labelled(batch.series, partition))
        yield replace(batch, series=last[1])


def _labelled(series: SeriesTable, partition: Partition) -> SeriesTable:
    columns = dict(series.columns)
    for label, value in partition.items():
        columns[label] = LabelColumn.constant(value, len(series))
    return SeriesTable.from_columns(len(series), columns)
