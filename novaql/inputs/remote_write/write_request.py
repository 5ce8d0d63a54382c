"""The content of a remote write message of any version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from novaql.errors import InputError
from novaql.inputs.sample_times import first_outside, out_of_range
from novaql.text.excerpts import excerpt
from novaql.tsdb.model.labels import METRIC_NAME, Ints
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import FIRST_SAMPLE_MS, LAST_SAMPLE_MS, Metadata


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """The content of one message.

    histograms  number of native histograms in the batch
    """

    batch: Batch
    metadata: dict[str, Metadata]
    histograms: int = 0


def need_storable(times: Ints, of_histograms: Sequence[int] = ()) -> None:
    """Raises `InputError` for a time that cannot be stored."""
    if (at := first_outside(times)) is not None:
        raise out_of_range(int(times[at]))
    for time in of_histograms:
        if not FIRST_SAMPLE_MS <= time <= LAST_SAMPLE_MS:
            raise out_of_range(time)


def need_metric_name(labels: Mapping[str, str]) -> None:
    """Raises `InputError` for a series without a metric name, as Prometheus does."""
    if METRIC_NAME not in labels:
        raise InputError(f"it has no metric name, its labels are {', '.join(map(excerpt, labels))}")
