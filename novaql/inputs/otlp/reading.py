"""Read the points of some metrics of an export, in runs of bounded memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from novaql.fast_dataclass import dataclass
from novaql.inputs.compiled.text_table import Octets
from novaql.inputs.otlp.known_points import KnownPoints, KnownResource
from novaql.inputs.otlp.naming import OtlpLabels
from novaql.inputs.protobuf.wire import bytes_field
from novaql.tsdb.model.labels import METRIC_NAME, Ints
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Metadata
from novaql.tsdb.runtime.compiled import Functions

_RUN_SAMPLES = 1 << 16
_RUN_KEYS = 1 << 19
_RUN_MISSING = 1 << 10
_RESOURCE_BEGIN, _RESOURCE_END, _BEGIN, _, _END, _KIND, _POINTS, _POINTS_END = range(8)
"""Columns of a scanned metric, see `scan_kernels.scan_export`."""


@dataclass(frozen=True, slots=True)
class OtlpPart:
    """Consecutive points of an export.

    metadata  of the metrics of the batch
    metrics   whole metrics that are left to the caller, as indexes of bytes: begin and end of the
              resource, begin and end of the metric
    points    an export with further points that are left to the caller; empty: there are none
    octets    size of the part in the export
    """

    batch: Batch
    metadata: dict[str, Metadata]
    metrics: list[list[int]]
    points: bytes
    octets: int


class Scratch:
    """Arrays that a walk writes into."""

    def __init__(self) -> None:
        self.samples: Ints = np.empty((_RUN_SAMPLES, 4), np.int64)
        self.bits: NDArray[np.uint64] = np.empty(_RUN_SAMPLES, np.uint64)
        self.fields: Ints = np.empty((1, 11), np.int64)
        self.keys: Octets = np.empty(_RUN_KEYS, np.uint8)
        self.missing: Ints = np.empty((_RUN_MISSING, 6), np.int64)
        self.odd: Ints = np.empty((_RUN_MISSING, 3), np.int64)


class _Rest:
    """Points that are left to the caller, as fields of the data of their metrics."""

    def __init__(self) -> None:
        self._points: dict[int, list[bytes]] = {}

    def add(self, metric: int, point: bytes) -> None:
        self._points.setdefault(metric, []).append(point)

    def export(self, data: bytes, metrics: Ints) -> bytes:
        """An export with these points."""
        parts: list[bytes] = []
        for metric, points in self._points.items():
            row = metrics[metric].tolist()
            resource, end, begin, head_end, _, kind, _, after, data_end = row[:9]
            of_metric = data[begin:head_end] + bytes_field(
                kind, b"".join([*points, data[after:data_end]])
            )
            scope = bytes_field(2, bytes_field(2, of_metric))
            parts.append(bytes_field(1, bytes_field(1, data[resource:end]) + scope))
        return b"".join(parts)


class Reading:
    """Reads some metrics of an export, in runs."""

    def __init__(self, data: bytes, octets: Octets, metrics: Ints) -> None:
        self._data = data
        self._octets = octets
        self._metrics = metrics
        self._known: KnownPoints | None = None
        self._numbers: list[int] = []
        self._walked: Ints = np.empty((0, 4), np.int64)
        self._which: list[int] = []
        self._state: Ints = np.zeros(4, np.int64)
        self._began = int(metrics[0, _RESOURCE_BEGIN])
        self.ended = False

    def number_by(self, known: KnownPoints) -> None:
        """Number the metrics. Later runs do it again if the cache was cleared."""
        if self._known is known:
            return
        is_first, self._known = self._known is None, known
        numbers, last, resource = [], (-1, -1), None
        for row in self._metrics.tolist():
            begin, end, at, head_end, _, kind, _, _, _, temporality, monotonic, _, _ = row
            if resource is None or last != (begin, end):
                last, resource = (begin, end), known.resource(self._data[begin:end])
            head = self._data[at:head_end]
            numbers.append(known.number(resource, head, kind, temporality, monotonic))
        if is_first:
            self._numbers = numbers
            self._which = [at for at, number in enumerate(numbers) if number >= 0]
        self._walked = np.empty((len(self._which), 4), np.int64)
        self._walked[:, 0] = [numbers[at] for at in self._which]
        columns = _KIND, _POINTS, _POINTS_END
        self._walked[:, 1:] = self._metrics[np.ix_(self._which, columns)]

    def run(self, kernels: Functions, known: KnownPoints, scratch: Scratch) -> OtlpPart:
        """Read points until the arrays are full."""
        is_first = not self._state.any()
        count = kernels.walk_points(
            self._octets, self._walked, known.keys.arrays, known.keys.series, known.rows,
            scratch.samples, scratch.fields, scratch.bits, scratch.keys, scratch.missing,
            scratch.odd, self._state,
        )  # fmt: skip
        metric, at, lacking, strange = self._state.tolist()
        self.ended = metric >= len(self._walked)
        samples = scratch.samples[:count]
        values = scratch.bits[:count].view(np.float64)
        rest = _Rest()
        for which, begin, end in scratch.odd[:strange].tolist():
            rest.add(self._which[which], self._data[begin:end])
        if lacking:
            missing = scratch.missing[:lacking]
            rows = self._learn(known, scratch.keys, missing, rest)
            new = samples[:, 0] < 0
            samples[new, 0] = rows[-1 - samples[new, 0]]
            stays = samples[:, 0] >= 0
            samples, values = samples[stays], values[stays]
        self._state[2:] = 0
        end = int(self._metrics[-1, _END]) if self.ended else at
        octets, self._began = end - self._began, end
        batch, metadata = self._batch(known, samples, values)
        left = [at for at, number in enumerate(self._numbers) if number < 0] if is_first else []
        regions = self._metrics[left][:, [_RESOURCE_BEGIN, _RESOURCE_END, _BEGIN, _END]].tolist()
        points = rest.export(self._data, self._metrics)
        return OtlpPart(batch, metadata, regions, points, octets)

    def _learn(self, known: KnownPoints, keys: Octets, missing: Ints, rest: _Rest) -> Ints:
        """The rows of the series of new keys; -1 for those of points that are left to the
        caller."""
        sets: list[OtlpLabels] = []
        found: list[tuple[int, int]] = []
        rows = np.full(int(missing[:, 5].sum()), -1, np.int64)
        firsts = np.cumsum(missing[:, 5]) - missing[:, 5]
        for which, (_, _, metric, begin, end, series) in enumerate(missing.tolist()):
            described = known.metrics[int(self._walked[metric, 0])][0]
            labels = known.labels_of(described, self._data[begin:end], series)
            if labels is not None:
                found.append((which, len(sets)))
                sets.extend(labels)
        learned = known.learn(sets) if sets else None
        added: list[Ints] = []
        if learned is None:
            found = []
        else:
            for which, at in found:
                first, series = int(firsts[which]), int(missing[which, 5])
                added.append(learned[at : at + series])
                rows[first : first + series] = added[-1]
            known.add_keys(keys, missing[[which for which, _ in found], :2].copy(), added)
        for which in set(range(len(missing))) - {which for which, _ in found}:
            _, _, metric, begin, end, _ = missing[which].tolist()
            rest.add(self._which[metric], bytes_field(1, self._data[begin:end]))
        return rows

    def _batch(
        self, known: KnownPoints, samples: Ints, values: NDArray[np.float64]
    ) -> tuple[Batch, dict[str, Metadata]]:
        """The samples, those of targets, and the metadata of their metrics."""
        metadata: dict[str, Metadata] = {}
        latest: dict[int, tuple[KnownResource, int]] = {}
        (cuts,) = np.nonzero(np.diff(samples[:, 3], prepend=-1))
        if len(cuts):
            times = np.maximum.reduceat(samples[:, 1], cuts)
            numbers = self._walked[samples[cuts, 3], 0]
            for number, time in zip(numbers.tolist(), times.tolist(), strict=True):
                metric, resource = known.metrics[number]
                metadata[metric.name] = metric.metadata
                if resource.described is not None and resource.described.target is not None:
                    before = latest.get(id(resource), (resource, time))
                    latest[id(resource)] = resource, max(time, before[1])
        rows, at, starts = (samples[:, column].copy() for column in range(3))
        values = values.copy()
        targets = _target_rows(known, [resource for resource, _ in latest.values()])
        if len(targets):
            name = known.series.table.table().column(METRIC_NAME)
            metadata[name.values[name.codes[targets[0]]]] = known.naming.target_metadata
            rows = np.append(rows, targets)
            at = np.append(at, [time for _, time in latest.values()])
            values = np.append(values, np.ones(len(targets)))
            starts = np.append(starts, np.zeros(len(targets), np.int64))
        table = known.series.table.table()
        return Batch(table, rows, at, values, None, starts if starts.any() else None), metadata


def _target_rows(known: KnownPoints, resources: Sequence[KnownResource]) -> Ints:
    """The rows of the targets of resources. Raises `LimitExceeded`."""
    fresh = [resource for resource in resources if resource.target_row < 0]
    if fresh:
        sets = [one.described.target for one in fresh if one.described and one.described.target]
        rows = known.learn(sets)
        assert rows is not None
        for resource, row in zip(fresh, rows.tolist(), strict=True):
            resource.target_row = row
    return np.array([resource.target_row for resource in resources], np.int64)
