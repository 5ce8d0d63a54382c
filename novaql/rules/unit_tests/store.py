"""The store of one test: its input series up to a time, and the series that the rules write."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from novaql import tsdb
from novaql.errors import EvaluationError
from novaql.model.label_set import Labels
from novaql.model.sample_batch import Sample, batch_of, samples_of
from novaql.model.series_notation import Item, NamedHint
from novaql.model.stored_hints import Stored, with_stored_hints
from novaql.text.labels import series_text
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Source


class TestStore:
    """A database in memory. Input is appended as time advances: a rule cannot read the future."""

    __test__ = False  # for pytest: this is not a test

    def __init__(
        self, series: Sequence[tuple[Labels, Sequence[Item]]], interval_ms: int, start_ms: int = 0
    ) -> None:
        last = dict(series)  # of two with the same labels, the later one counts
        waiting: list[Sample] = []
        for labels, items in last.items():
            stored = {
                start_ms + place * interval_ms: _plain(item)
                for place, item in enumerate(items)
                if item is not None
            }
            with_hints = {**stored, **with_stored_hints(stored)}
            waiting += [(labels, time, value) for time, value in with_hints.items()]
        self._waiting = sorted(waiting, key=lambda sample: sample[1])
        self._loaded = 0
        self._database = tsdb.memory()
        self._newest: dict[Labels, tuple[int, Stored]] = {}

    def load_until(self, time_ms: int) -> None:
        """Append the input up to this time, inclusive."""
        first = self._loaded
        while self._loaded < len(self._waiting) and self._waiting[self._loaded][1] <= time_ms:
            self._loaded += 1
        self._add(self._waiting[first : self._loaded])

    def source(self) -> Source:
        return self._database

    def write(self, batch: Batch) -> None:
        """Append the result of a rule. Raises `EvaluationError` if it has another value already."""
        self._add([sample for sample in samples_of(batch) if self._is_new(*sample)])

    def _is_new(self, labels: Labels, time: int, value: Stored) -> bool:
        newest = self._newest.get(labels)
        if newest is None or time > newest[0]:
            return True
        if time < newest[0]:
            raise EvaluationError(
                f"{series_text(dict(labels))} has a newer sample: out of order sample"
            )
        if _same(newest[1], value):
            return False
        raise EvaluationError(
            f"{series_text(dict(labels))} has another value already: duplicate sample for timestamp"
        )

    def _add(self, samples: Sequence[Sample]) -> None:
        if samples:
            self._newest.update((labels, (time, value)) for labels, time, value in samples)
            self._database.append(batch_of(samples))


def _plain(item: Item) -> Stored:
    assert item is not None
    return item.histogram if isinstance(item, NamedHint) else float(item)


def _same(one: Stored, other: Stored) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return bool(np.float64(one).view(np.uint64) == np.float64(other).view(np.uint64))
    return one == other
