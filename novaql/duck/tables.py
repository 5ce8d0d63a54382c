"""The small tables beside the samples: series and metrics."""

from __future__ import annotations

import pyarrow as pa

from novaql.duck.dataset import SampleDataset
from novaql.export.columns import HISTOGRAM, TIME, VALUE
from novaql.tsdb.model.source import Source


def series_table(samples: SampleDataset) -> pa.Table:
    """One row a series, a column a label, null where it has none."""
    table = samples.shape.table_of_series()
    return table.drop_columns([n for n in (TIME, VALUE, HISTOGRAM) if n in table.column_names])


def metrics_table(source: Source) -> pa.Table:
    """The metadata of each metric: `name`, `type`, `help`, `unit`."""
    known = sorted(source.metadata().items())
    columns = {
        "name": [name for name, _ in known],
        "type": [found.type for _, found in known],
        "help": [found.help for _, found in known],
        "unit": [found.unit for _, found in known],
    }
    texts = {name: pa.array(column, pa.string()) for name, column in columns.items()}
    return pa.table(texts)
