"""`load_with_nhcb`: classic histograms become native ones with custom buckets."""

from __future__ import annotations

from collections.abc import Sequence

from novaql.inputs.text.classic_histograms import ClassicHistograms
from novaql.model.float_histogram import FloatHistogram
from novaql.model.sample_batch import Sample, batch_of, samples_of
from novaql.tsdb.model.labels import METRIC_NAME
from novaql.tsdb.model.source import Metadata


def native_of(samples: Sequence[Sample]) -> list[Sample]:
    """Native histograms `x` for every `x_bucket`, `x_count`, `x_sum` with the same other labels."""
    batch = batch_of(samples)
    names = batch.series.column(METRIC_NAME).values
    families = {name.removesuffix("_bucket") for name in names if name.endswith("_bucket")}
    metadata = {family: Metadata("histogram") for family in families}
    found = samples_of(ClassicHistograms().apply(batch, metadata))
    return [sample for sample in found if isinstance(sample[2], FloatHistogram)]
