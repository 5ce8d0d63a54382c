"""Lines of Prometheus text and of OpenMetrics by the compiled walk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.inputs.compiled.text_table import SeriesNames
from novaql.inputs.known_series import SeriesTexts
from novaql.inputs.text.exposition_line import is_too_large
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.runtime.compiled import Functions

_VALUE = re.compile(rb"[-+.0-9A-OQ-Za-oq-z]+")


@dataclass(frozen=True, slots=True, eq=False)
class WalkedLines:
    """Samples in order of their lines.

    numbers, times, values  [N] of series, milliseconds
    odd    lines that are no samples of the usual shape: number of the line, and its bytes
    lines  how many there are
    """

    numbers: Ints
    times: Ints
    values: Floats
    odd: list[tuple[int, bytes]]
    lines: int


class TextWalker:
    """Walks blocks of whole lines, and caches the texts that name series. Not thread-safe.

    series  parses new texts, and numbers them
    """

    def __init__(self, kernels: Functions, series: SeriesTexts) -> None:
        self._kernels = kernels
        self._series = series
        self.forget()

    def forget(self) -> None:
        """Remove all texts, since `series` has done so."""
        self._texts = SeriesNames(self._kernels)

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Remove the texts that are new in the block if it raises, as `series` does."""
        texts = self._texts
        count, used = texts.count, texts.used
        try:
            yield
        except BaseException:
            if texts is self._texts:
                texts.cut(count, used)
            else:
                self.forget()
            raise

    def walk(self, block: bytes, default_time_ms: int, *, openmetrics: bool) -> WalkedLines:
        """Read every line; each ends in a newline. Exemplars are skipped.

        Raises `ValueError` for a number or a series that cannot be parsed, and `InputError` for
        a series beyond the limits.
        """
        names, data = self._texts, np.frombuffer(block, np.uint8)
        most = block.count(b"\n") + 1
        texts, times = np.empty(most, np.int64), np.empty(most, np.int64)
        values: Floats = np.empty(most)
        missing = np.empty((most, 2), np.int64)
        hard, odd = np.empty((most, 3), np.int64), np.empty((most, 3), np.int64)
        found = np.zeros(4, np.int64)
        count = self._kernels.walk_text(
            data, names.arrays, names.follower, default_time_ms, openmetrics, texts, times, values,
            missing, hard, odd, found,
        )  # fmt: skip
        lacking, difficult, strange, lines = found.tolist()
        for sample, begin, end in hard[:difficult].tolist():
            if _VALUE.fullmatch(block, begin, end) is None:
                raise ValueError("this is no number")
            text = block[begin:end]
            values[sample] = float(text)
            if is_too_large(text, values[sample]):
                raise ValueError("this number is too large")
        texts = texts[:count]
        if lacking:
            missing = missing[:lacking]
            series = [self._series[block[begin:end]] for begin, end in missing.tolist()]
            learned = names.add_series(data, missing, series)
            unknown = texts < 0
            texts[unknown] = learned[-1 - texts[unknown]]
        return WalkedLines(
            names.series[texts].astype(np.int64),
            times[:count],
            values[:count],
            [(line, block[begin:end]) for line, begin, end in odd[:strange].tolist()],
            lines,
        )
