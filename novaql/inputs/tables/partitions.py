"""Labels that the folders of a path say: `host=a/date=2026-01-01/part.parquet`, as Hive writes it.

DuckDB and polars read such folders as columns of text, so they are labels here. Of a file that has
a column of the same name the folder's value counts, as there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote_to_bytes

from novaql.tsdb.model.labels import LabelColumn, SeriesTable
from novaql.tsdb.model.samples import Batch

MISSING = "__HIVE_DEFAULT_PARTITION__"
Partition = Mapping[str, str]
NO_PARTITION: Partition = {}


def partition_of(path: Path) -> Partition:
    """Label → value of each folder `label=value` above a file, as the path is written; "" for one
    that is missing. Of two folders with the same label the deeper one counts."""
    found: dict[str, str] = {}
    for folder in path.parent.parts:
        if is_partition(folder):
            label, _, value = folder.partition("=")
            found[_decoded(label)] = "" if value == MISSING else _decoded(value)
    return found


def is_partition(folder: str) -> bool:
    """Whether a folder is called `label=value`; the value may be empty, which stands for none."""
    return folder.find("=") > 0


def _decoded(text: str) -> str:
    """%2F is a slash; what does not decode to UTF-8 stays as it is written."""
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeError:
        return text


def with_partition(batches: Iterable[Batch], partition: Partition) -> Iterator[Batch]:
    """Batches whose series have the labels of their file's folders. Batches that share a table
    share one again."""
    last: tuple[SeriesTable, SeriesTable] | None = None
    for batch in batches:
        if not partition:
            yield batch
            continue
        if last is None or last[0] is not batch.series:
            last = (batch.series, _labelled(batch.series, partition))
        yield Batch(
            last[1],
            batch.series_index,
            batch.timestamps,
            batch.values,
            batch.native,
            batch.starts,
            batch.exemplars,
        )


def _labelled(series: SeriesTable, partition: Partition) -> SeriesTable:
    columns = dict(series.columns)
    for label, value in partition.items():
        columns[label] = LabelColumn.constant(value, len(series))
    return SeriesTable.from_columns(len(series), columns)
