"""The resources, metrics and series of earlier exports, by the bytes that name them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

import numpy as np

from novaql.errors import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs.compiled.text_table import Octets, SeriesNames
from novaql.inputs.known_series import MOST_OCTETS
from novaql.inputs.label_limits import LabelLimits
from novaql.inputs.otlp.limits import LARGEST_MESSAGE
from novaql.inputs.otlp.naming import OtlpLabels, OtlpMetric, OtlpNaming, OtlpResource
from novaql.inputs.remote_write.keyed_series import KeyedSeries
from novaql.tsdb.model.flat_arrays import grown
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.runtime.compiled import Functions

_ENTRY_BYTES = 500
"""Memory of the description of a resource or metric, besides its bytes in the export."""


@dataclass(slots=True)
class KnownResource:
    """described: None if the caller has to read it. metrics: number of each, -1 if the caller reads
    it. target_row: row of its target; -1: not known yet."""

    described: OtlpResource | None
    metrics: dict[bytes, int] = field(default_factory=dict)
    target_row: int = -1


class KnownPoints:
    """The resources, metrics and series of earlier exports. adding: series are being added"""

    def __init__(self, kernels: Functions, naming: OtlpNaming, limits: LabelLimits) -> None:
        self.naming = naming
        self.series = KeyedSeries(kernels, limits)
        self.keys = SeriesNames(kernels)
        self.rows: Ints = np.zeros(64, np.int64)
        self.adding = False
        self.metrics: list[tuple[OtlpMetric, KnownResource]] = []
        self._rows_used = 0
        self._limits = limits
        self._resources: dict[bytes, KnownResource] = {}
        self._octets = 0

    def is_full(self, most_series: int) -> bool:
        octets = self._octets + self.keys.used + self.rows.nbytes
        return octets > MOST_OCTETS or self.series.is_full(most_series)

    def resource(self, resource: bytes) -> KnownResource:
        if len(resource) > LARGEST_MESSAGE:
            return KnownResource(None)
        found = self._resources.get(resource)
        if found is None:
            try:
                described = self.naming.resource(resource)
                if described.target is not None:
                    self._limits.check(described.target)
            except InputError:
                described = None
            found = self._resources[resource] = KnownResource(described)
            self._octets += _ENTRY_BYTES + 4 * len(resource)
        return found

    def number(
        self, resource: KnownResource, head: bytes, kind: int, temporality: int, monotonic: int
    ) -> int:
        """The number of a metric; -1 if the caller has to read it."""
        if resource.described is None or not kind:
            return -1
        key = head + bytes((kind, temporality, monotonic))
        number = resource.metrics.get(key)
        if number is None:
            try:
                described = self.naming.metric(
                    resource.described, head, kind, temporality, monotonic=bool(monotonic)
                )
                number = len(self.metrics)
                self.metrics.append((described, resource))
            except InputError:
                number = -1
            resource.metrics[key] = number
            self._octets += _ENTRY_BYTES + 4 * len(head)
        return number

    def learn(self, label_sets: Sequence[OtlpLabels]) -> Ints | None:
        """Rows of series, new ones for new series; None if the labels are too many."""
        places: dict[str, int] = {}
        pairs = [
            (at, places.setdefault(name, len(places)), places.setdefault(value, len(places)))
            for at, labels in enumerate(label_sets)
            for name, value in labels.items()
        ]
        texts = [text.encode() for text in places]
        ends = np.cumsum([0, *map(len, texts)])
        before = self.series.texts.count, self.series.texts.used
        self.adding = True
        numbers = self.series.add_texts(
            np.frombuffer(b"".join(texts), np.uint8), np.column_stack([ends[:-1], ends[1:]])
        )
        rows = None
        if numbers is not None:
            coded = np.array(pairs, np.int64)
            coded[:, 1:] = numbers[coded[:, 1:]]
            rows = self.series.rows_of(coded, len(label_sets))
        if rows is None:
            self.series.remove_texts(*before)
        self.adding = False
        return rows

    def labels_of(
        self, metric: OtlpMetric, point: bytes, series: int
    ) -> Sequence[OtlpLabels] | None:
        """The labels of the series of a point; None if the caller has to read it."""
        try:
            found = self.naming.series(metric, point)
            for labels in found:
                self._limits.check(labels)
        except InputError:
            return None
        return found if len(found) == series else None

    def add_keys(self, keys: Octets, regions: Ints, rows: Sequence[Ints]) -> None:
        """Add the keys of points, and the rows of their series."""
        flat = np.concatenate(rows)
        self.rows = grown(self.rows, self._rows_used + len(flat), 0)
        self.rows[self._rows_used : self._rows_used + len(flat)] = flat
        ends = self._rows_used + np.cumsum([0, *map(len, rows)])
        self.keys.add_series(keys, regions, ends[:-1])
        self._rows_used = int(ends[-1])
