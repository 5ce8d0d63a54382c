"""A store as a dict: what a database must hold, kept in the plainest way."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tsdb.labels import SeriesTable
from tsdb.matchers import Matcher, select_rows
from tsdb.selection import MAX_TIME_MS, MIN_TIME_MS, Source
from tsdb.tile import Batch

Labels = tuple[tuple[str, str], ...]
Sample = tuple[Mapping[str, str], int, float]
"""Labels, milliseconds, value."""


def bits(value: float) -> int:
    """The bit pattern of a float, by which values are compared."""
    return int(struct.unpack("<Q", struct.pack("<d", value))[0])


def from_bits(pattern: int) -> float:
    return float(np.array([pattern], np.uint64).view(np.float64)[0])


def key_of(labels: Mapping[str, str]) -> Labels:
    return tuple(sorted((name, value) for name, value in labels.items() if value))


def batch_of(samples: Sequence[Sample]) -> Batch:
    """A batch with these samples, in this order."""
    keys = list(dict.fromkeys(key_of(labels) for labels, _, _ in samples))
    row = {key: number for number, key in enumerate(keys)}
    return Batch(
        SeriesTable.from_dicts([dict(key) for key in keys]),
        np.array([row[key_of(labels)] for labels, _, _ in samples], np.int64),
        np.array([time for _, time, _ in samples], np.int64),
        np.array([bits(value) for _, _, value in samples], np.uint64).view(np.float64),
    )


@dataclass
class Model:
    """Label set → time → bit pattern of the value."""

    series: dict[Labels, dict[int, int]] = field(default_factory=dict)

    def append(self, samples: Iterable[Sample]) -> None:
        for labels, time, value in samples:
            self.series.setdefault(key_of(labels), {})[time] = bits(value)

    def select(
        self,
        matchers: Sequence[Matcher] = (),
        start_ms: int = MIN_TIME_MS,
        end_ms: int = MAX_TIME_MS,
    ) -> dict[Labels, list[tuple[int, int]]]:
        """Label set → (time, bits) in order of time; series without samples are left out."""
        found = {}
        for key, samples in self.series.items():
            table = SeriesTable.from_dicts([dict(key)])
            inside = sorted((t, v) for t, v in samples.items() if start_ms <= t <= end_ms)
            if inside and select_rows(table, matchers).all():
                found[key] = inside
        return found


def read_all(
    source: Source,
    matchers: Sequence[Matcher] = (),
    start_ms: int = MIN_TIME_MS,
    end_ms: int = MAX_TIME_MS,
) -> dict[Labels, list[tuple[int, int]]]:
    """What a source answers, in the form of `Model.select`; `Selection` keeps its promises."""
    selection = source.select(matchers, start_ms, end_ms)
    keys = [key_of(labels) for labels in selection.series]
    assert len(set(keys)) == len(keys), "a label set stands twice"
    found: dict[Labels, list[tuple[int, int]]] = {}
    for ref in selection.tiles:
        tile = ref.load()
        assert tile.sample_count <= ref.samples
        if tile.offsets is None:
            assert tile.values.shape == (len(tile.rows), len(tile.timestamps))
            assert tile.values.flags.c_contiguous
        flat = tile.ragged()
        assert flat.offsets is not None
        assert flat.offsets[0] == 0
        assert flat.offsets[-1] == len(flat.values) == len(flat.timestamps)
        patterns = np.ascontiguousarray(flat.values).view(np.uint64).tolist()
        times = flat.timestamps.tolist()
        for row, begin, end in zip(
            flat.rows.tolist(), flat.offsets[:-1].tolist(), flat.offsets[1:].tolist(), strict=True
        ):
            assert keys[row] not in found, "a series is in two tiles"
            assert times[begin:end] == sorted(set(times[begin:end]))
            if end > begin:
                found[keys[row]] = list(zip(times[begin:end], patterns[begin:end], strict=True))
    return found
