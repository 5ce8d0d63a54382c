"""Optional conversions of exposed samples: start timestamps, classic histograms to native ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from novaql.inputs.batch_stream import concat_batches
from novaql.inputs.read_options import ExposedOptions
from novaql.inputs.text.classic_histograms import ClassicHistograms
from novaql.inputs.text.created_times import CreatedTimes
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Metadata


class Refinement:
    """The conversions that options request. Caches facts about the last text's series."""

    def __init__(self, options: ExposedOptions) -> None:
        self._created = CreatedTimes() if options.start_timestamps else None
        self._classic = (
            ClassicHistograms(keep=options.always_classic) if options.convert_classic else None
        )

    def needed(self, *, created: bool) -> bool:
        """Whether there is any for a text with `_created` lines, or without them."""
        return self._classic is not None or (created and self._created is not None)

    def apply(self, batch: Batch, metadata: Mapping[str, Metadata], *, created: bool) -> Batch:
        """Start timestamps first, so that converted histograms have them too."""
        if self._created is not None and created:
            batch = self._created.apply(batch, metadata)
        return batch if self._classic is None else self._classic.apply(batch, metadata)

    def stream(
        self, batches: Iterable[Batch], metadata: Mapping[str, Metadata], *, created: bool
    ) -> Iterator[Batch]:
        """The batches of one text; `metadata` fills while they are read.

        If there is a conversion, the whole text is read first: two batches may have one metric.
        """
        if not self.needed(created=created):
            yield from batches
            return
        batch = self.apply(concat_batches(batches), metadata, created=created)
        if len(batch):
            yield batch
