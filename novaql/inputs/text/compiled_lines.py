"""Lines of Prometheus text and of OpenMetrics by the compiled walk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from novaql.inputs.compiled.text_table import TextTable
from novaql.inputs.text.known_series import SeriesTexts
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.runtime.compiled import Functions

_VALUE = re.compile(rb"[-+.0-9A-OQ-Za-oq-z]+")


@dataclass(frozen=True, slots=True, eq=False)
class WalkedLines:
    """Samples in order of their lines.

    numbers, times, values  [N] of series, milliseconds
    odd    lines that are no samples of the usual shape: which line, and its bytes
    lines  how many there are
    """

    numbers: Ints
    times: Ints
    values: Floats
    odd: list[tuple[int, bytes]]
    lines: int


class TextWalker:
    """Walks blocks of whole lines; remembers the texts that name series. One thread at a time.

    series  understands new texts, and numbers them
    """

    def __init__(self, kernels: Functions, series: SeriesTexts) -> None:
        self._kernels = kernels
        self._series = series
        self.forget()

    def forget(self) -> None:
        """Begin anew, since `series` did."""
        self._texts = TextTable(self._kernels)
        self._number_of: Ints = np.zeros(64, np.int64)
        self._follower: Ints = np.full(65, -1)

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Texts that are met inside the block are forgotten if it ends in an error, as they are by
        `series`."""
        texts = self._texts
        count, used = texts.count, texts.used
        try:
            yield
        except BaseException:
            if texts is self._texts:
                texts.cut(count, used)
                self._follower[count + 1 :] = -1
                self._follower[self._follower >= count] = -1
            else:
                self.forget()
            raise

    def walk(self, block: bytes, default_time_ms: int, *, openmetrics: bool) -> WalkedLines:
        """Every line; each ends in a newline. Exemplars are passed over.

        Raises `ValueError` for a number or a series that cannot be understood, and `InputError` for
        a series beyond the limits.
        """
        data = np.frombuffer(block, np.uint8)
        most = block.count(b"\n") + 1
        texts, times = np.empty(most, np.int64), np.empty(most, np.int64)
        values: Floats = np.empty(most)
        missing = np.empty((most, 2), np.int64)
        hard, odd = np.empty((most, 3), np.int64), np.empty((most, 3), np.int64)
        found = np.zeros(4, np.int64)
        count = self._kernels.walk_text(
            data, self._texts.seed, *self._texts.arrays, self._follower, default_time_ms,
            openmetrics, texts, times, values, missing, hard, odd, found,
        )  # fmt: skip
        lacking, difficult, strange, lines = found.tolist()
        for sample, begin, end in hard[:difficult].tolist():
            if _VALUE.fullmatch(block, begin, end) is None:
                raise ValueError("this is no number")
            values[sample] = float(block[begin:end])
        texts = texts[:count]
        if lacking:
            learned = self._learn(block, missing[:lacking])
            unknown = texts < 0
            texts[unknown] = learned[-1 - texts[unknown]]
        return WalkedLines(
            self._number_of[texts],
            times[:count],
            values[:count],
            [(line, block[begin:end]) for line, begin, end in odd[:strange].tolist()],
            lines,
        )

    def _learn(self, block: bytes, missing: Ints) -> Ints:
        """[R] numbers of the texts there."""
        understood = [self._series[block[begin:end]] for begin, end in missing.tolist()]
        texts = self._texts
        texts.make_room(len(missing), int((missing[:, 1] - missing[:, 0]).sum()))
        numbers = np.zeros(len(missing) + 1, np.int64)
        numbers[-1] = texts.used
        texts.count = self._kernels.enter(
            np.frombuffer(block, np.uint8), missing, texts.seed, *texts.arrays, texts.count, numbers
        )
        texts.used = int(numbers[-1])
        if texts.count > len(self._number_of):
            known = texts.count
            self._number_of = np.append(self._number_of, np.zeros(known, np.int64))
            self._follower = np.append(self._follower, np.full(known, -1))
        self._number_of[numbers[:-1]] = understood
        return numbers[:-1]
