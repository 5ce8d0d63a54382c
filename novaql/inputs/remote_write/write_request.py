"""The content of a remote write message of any version."""

from __future__ import annotations

from collections.abc import Mapping

from novaql.errors import InputError
from novaql.fast_dataclass import dataclass
from novaql.text.excerpts import excerpt
from novaql.tsdb.model.labels import METRIC_NAME
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Metadata


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """The content of one message.

    histograms  number of native histograms, also of those that are staleness markers, which the
                batch has as floats
    """

    batch: Batch
    metadata: dict[str, Metadata]
    histograms: int = 0


def need_metric_name(labels: Mapping[str, str]) -> None:
    """Raises `InputError` for a series without a metric name, as Prometheus does."""
    if METRIC_NAME not in labels:
        raise InputError(f"it has no metric name, its labels are {', '.join(map(excerpt, labels))}")
