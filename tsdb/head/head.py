"""The head: samples as they arrive, sorted little by little when somebody looks.

Appending copies arrays into a buffer and sorts nothing. A reader first brings the runs up to date:
what arrived since the last look becomes a run, and runs of similar size are merged, so each
sample is moved a logarithmic number of times however often the head is read.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from tsdb.head.registry import HeadIndex, Registry
from tsdb.head.run import Run, build_run, merge_runs
from tsdb.labels import Ints
from tsdb.part import Layer
from tsdb.selection import MAX_TIME_MS, MIN_TIME_MS
from tsdb.tile import Floats

BUFFER_SAMPLES = 1 << 16
SAMPLE_BYTES = 24  # id, time, value while it waits in arrival form

_numbers = itertools.count()
Arrays = tuple[Ints, Ints, Floats]
Numbers = TypeVar("Numbers", Ints, Floats)


@dataclass(frozen=True, slots=True, eq=False)
class HeadPart:
    """`Part` over the head at one moment.

    appended  how many samples had arrived by then, duplicates included
    """

    identity: Hashable
    head_index: HeadIndex
    runs: tuple[Run, ...]
    appended: int

    @property
    def first_ms(self) -> int:
        return min((int(r.stratum.grid_first.min()) for r in self.runs), default=MAX_TIME_MS)

    @property
    def last_ms(self) -> int:
        return max((int(r.stratum.grid_last.max()) for r in self.runs), default=MIN_TIME_MS)

    @property
    def samples(self) -> int:
        return sum(run.samples for run in self.runs)

    def index(self) -> HeadIndex:
        return self.head_index

    def layers(self) -> Sequence[Layer]:
        return [Layer(run.stratum, run.ids) for run in self.runs]


class Head:
    """One writer adds; any number of threads take `part()`."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.appended = 0
        self._number = next(_numbers)
        self._newest: Ints = np.full(64, MIN_TIME_MS)
        self._arrived = threading.Lock()  # guards the four below and the registry; held briefly
        self._sealed: list[Arrays] = []
        self._buffer = _empty_buffer()
        self._filled = 0
        self._taken = 0  # samples of the buffer that are in a run already
        self._sorting = threading.Lock()  # one reader at a time brings the runs up to date
        self._part = HeadPart(("head", self._number, 0), self.registry.index(), (), 0)

    @property
    def registry_lock(self) -> threading.Lock:
        """Held while the registry changes, so that `part()` sees it whole."""
        return self._arrived

    def newest(self, ids: Ints) -> Ints:
        """Latest time known for each series; `MIN_TIME_MS` for a new one. For the writer."""
        if len(self.registry) > len(self._newest):
            grown = np.full(2 * len(self.registry), MIN_TIME_MS)
            grown[: len(self._newest)] = self._newest
            self._newest = grown
        return self._newest[ids]

    def add(self, ids: Ints, times: Ints, values: Floats) -> None:
        """Take samples in. The arrays are copied."""
        self.newest(ids[:0])
        if len(ids) == 1 or bool((ids[1:] > ids[:-1]).all()):
            self._newest[ids] = np.maximum(self._newest[ids], times)
        else:
            np.maximum.at(self._newest, ids, times)
        with self._arrived:
            count = len(ids)
            self.appended += count
            if count > BUFFER_SAMPLES // 4:
                self._seal()
                self._sealed.append((ids.copy(), times.copy(), values.copy()))
                return
            if self._filled + count > BUFFER_SAMPLES:
                self._seal()
            end = self._filled + count
            for column, fresh in zip(self._buffer, (ids, times, values), strict=True):
                column[self._filled : end] = fresh
            self._filled = end

    def _seal(self) -> None:
        if self._filled > self._taken:
            waiting = slice(self._taken, self._filled)
            self._sealed.append(
                (self._buffer[0][waiting], self._buffer[1][waiting], self._buffer[2][waiting])
            )
        self._buffer = _empty_buffer()
        self._filled = self._taken = 0

    def _take(self) -> tuple[list[Arrays], HeadIndex, int]:
        """What has arrived since the last call; the buffer is shared up to where it is filled."""
        with self._arrived:
            arrays = self._sealed
            self._sealed = []
            if self._filled > self._taken:
                waiting = slice(self._taken, self._filled)
                arrays.append(
                    (self._buffer[0][waiting], self._buffer[1][waiting], self._buffer[2][waiting])
                )
                self._taken = self._filled
            known = self._part.head_index
            if len(self.registry) != known.rows:
                known = self.registry.index()
            return arrays, known, self.appended

    def part(self) -> HeadPart:
        """Everything that was added before this call, sorted."""
        part = self._part
        if part.appended == self.appended:
            return part
        with self._sorting:
            if self._part.appended == self.appended:
                return self._part
            arrays, index, appended = self._take()
            runs = self._part.runs
            if arrays:
                fresh = build_run(
                    _joined([a[0] for a in arrays]),
                    _joined([a[1] for a in arrays]),
                    _joined([a[2] for a in arrays]),
                )
                runs = _with_run(runs, fresh)
            self._part = HeadPart(("head", self._number, index.rows), index, runs, appended)
            return self._part

    def compact(self) -> HeadPart:
        """`part()` with a single run."""
        self.part()
        with self._sorting:
            runs = self._part.runs
            while len(runs) > 1:
                runs = (*runs[:-2], merge_runs(runs[-2], runs[-1]))
            self._part = replace(self._part, runs=runs)
            return self._part


def _with_run(runs: tuple[Run, ...], fresh: Run) -> tuple[Run, ...]:
    while runs and runs[-1].samples < 2 * fresh.samples:
        fresh = merge_runs(runs[-1], fresh)
        runs = runs[:-1]
    return (*runs, fresh)


def _joined(arrays: list[Numbers]) -> Numbers:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _empty_buffer() -> Arrays:
    return (
        np.empty(BUFFER_SAMPLES, np.int64),
        np.empty(BUFFER_SAMPLES, np.int64),
        np.empty(BUFFER_SAMPLES),
    )
