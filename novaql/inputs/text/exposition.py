"""Prometheus text format and OpenMetrics 1.0 text → batches of samples.

Lines of the usual shape are split by one regular expression; the text that names a series is parsed
once and then looked up. `exposition_line` reads every other line (comments, quoted names, a brace
inside a label value), one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import BinaryIO, NoReturn

import numpy as np

from novaql.errors import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs.compiled.compiling import WALKS
from novaql.inputs.compression import open_plain, read_tail
from novaql.inputs.known_series import MOST_SERIES, KnownSeries, SeriesTexts
from novaql.inputs.label_limits import NO_LIMITS, LabelLimits
from novaql.inputs.read_options import ReadOptions
from novaql.inputs.sample_times import first_outside
from novaql.inputs.text.compiled_lines import TextWalker
from novaql.inputs.text.exposition_line import (
    LineProblem,
    MetadataLine,
    SampleLine,
    is_too_large,
    read_line,
)
from novaql.inputs.text.line_splitting import without_free_comments
from novaql.text.series_parser import parse_series
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Batch, Floats
from novaql.tsdb.model.source import Metadata

BLOCK_BYTES = 4 << 20
_SERIES = rb"([^#\s{}]++(?:\{[^}\n]*+\})?+|\{[^}\n]*+\})"
_VALUE = rb"([-+.0-9A-OQ-Za-oq-z]++)"
_TEXT = re.compile(
    _SERIES + rb"[ \t]++" + _VALUE + rb"(?:[ \t]++([-+]?[0-9]{1,18}))?+[ \t]*+\n|([^\n]*+)\n"
)
_EXEMPLAR = rb"(?: # \{[^}\n]*+\} [-+.0-9eE]++(?: [-+.0-9eE]++)?+)?+"
_OPENMETRICS = re.compile(
    _SERIES + rb" " + _VALUE + rb"(?: ([-+.0-9eE]++))?+" + _EXEMPLAR + rb"\n|([^\n]*+)\n"
)
_WITH_EXEMPLAR = re.compile(
    rb"^[^#\n][^\n]*? # \{(?:(?! # \{)[^}\n])*+\} [-+.0-9A-Za-z]++(?: [-+.0-9eE]++)?[ \t]*$",
    re.MULTILINE,
)
_EOF = b"# EOF"
_BOUNDS = ("le", "quantile")


@dataclass(slots=True)
class TextState:
    """How far a text has been read.

    ended  `# EOF` has been read
    """

    default_time_ms: int
    openmetrics: bool
    metadata: dict[str, Metadata] = field(default_factory=dict)
    exemplars: int = 0
    lines_before: int = 0
    ended: bool = False


class ExpositionParser:
    """Reads blocks of whole lines, and caches the series in them.

    openmetrics       OpenMetrics (times in seconds, `# EOF` at the end) or Prometheus text
    default_time_ms   time of samples that have none of their own
    what              name of the text in messages
    limits            of a series, and of the series of one block
    canonical_bounds  write `le` and `quantile` as floats ("5" becomes "5.0"), as a scraper does
    empty             in place of the empty value of a label; "": the label is omitted

    exemplars counts those of the text; they are not read.
    """

    def __init__(
        self,
        *,
        openmetrics: bool,
        default_time_ms: int,
        what: str = "text",
        canonical_bounds: bool = False,
        empty: str = "",
        limits: LabelLimits = NO_LIMITS,
    ) -> None:
        self._text = TextState(default_time_ms, openmetrics)
        self._what = what
        self._limits = limits
        self._series = SeriesTexts(partial(_labels, canonical_bounds, empty), KnownSeries(limits))
        self._walker: TextWalker | None = None

    @property
    def metadata(self) -> dict[str, Metadata]:
        return self._text.metadata

    @property
    def exemplars(self) -> int:
        return self._text.exemplars

    def start(self, default_time_ms: int, *, openmetrics: bool) -> None:
        """Begin another text with the same series, such as the next scrape of a target."""
        self._text = TextState(default_time_ms, openmetrics)
        if len(self._series) > MOST_SERIES or self._series.known.is_full:
            self.forget()

    def forget(self) -> None:
        """Clear the cached series. A paused text can be resumed nevertheless."""
        self._series.forget()
        if self._walker is not None:
            self._walker.forget()

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Remove the series that are new in the block if it raises.

        For a text that is read in several blocks, or rejected after it was read.
        """
        walker = self._walker
        try:
            with self._series.all_or_nothing():
                if walker is None:
                    yield
                else:
                    with walker.all_or_nothing():
                        yield
        except BaseException:
            self._walker = walker
            raise

    def pause(self) -> TextState:
        """How far the text has been read: for `resume`, after others were read."""
        return self._text

    def resume(self, state: TextState) -> None:
        """Continue a text that was paused."""
        self.start(state.default_time_ms, openmetrics=state.openmetrics)
        self._text = state

    def feed(self, block: bytes) -> Batch:
        """Samples of whole lines; each line ends in a newline. Batches with the same series share
        one table object. Raises `InputError`, after which no series of the block is cached.
        """
        self._limits.check_lines(block, self._what, self._text.lines_before)
        with self.all_or_nothing():
            return self._feed(block)

    def _feed(self, block: bytes) -> Batch:
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        if not self._text.openmetrics:
            bare = without_free_comments(block)
            if len(bare) < len(block):
                before = self._text.lines_before
                try:
                    batch = self._fed(bare)
                except InputError:
                    self._text.lines_before = before  # read again below, for the line's number
                else:
                    self._text.lines_before = before + block.count(b"\n")
                    return batch
        return self._fed(block)

    def _fed(self, block: bytes) -> Batch:
        walked = self._walked(block)
        if walked is not None:
            return walked
        pattern = _OPENMETRICS if self._text.openmetrics else _TEXT
        lines = pattern.findall(block)
        series = [line[0] for line in lines]
        values = [line[1] for line in lines]
        times = [line[2] for line in lines]
        if self._text.ended and lines:
            self._fail(0, 0, "there is text behind # EOF", b"")
        unusual = [at for at, text in enumerate(series) if not text] if not all(series) else []
        for at in unusual:
            found = self._read_line(at, lines[at][3], last=at == len(lines) - 1)
            if found is not None:
                series[at], values[at], times[at] = found.series, found.value, found.time
        if not all(series):
            samples = [at for at, text in enumerate(series) if text]
            series, values, times = ([c[at] for at in samples] for c in (series, values, times))
        try:
            columns = self._columns(series, values, times)
        except (ValueError, OverflowError):
            # A line of the usual shape is invalid: find out which.
            self._fail_at_bad_line(block)
        self._text.lines_before += len(lines)
        self._count_exemplars(block)
        return self._batch(*columns)

    def _count_exemplars(self, block: bytes) -> None:
        if self._text.openmetrics and b" # {" in block:
            self._text.exemplars += sum(1 for _ in _WITH_EXEMPLAR.finditer(block))

    def _walked(self, block: bytes) -> Batch | None:
        """The batch by compiled code. None if that is not ready, or if a line has to be read in
        Python or is invalid; the block is then read again from its beginning.
        """
        if self._text.ended:
            return None
        kernels = WALKS.ready(len(block))
        if kernels is None:
            return None
        if self._walker is None:
            self._walker = TextWalker(kernels, self._series)
        try:
            found = self._walker.walk(
                block, self._text.default_time_ms, openmetrics=self._text.openmetrics
            )
        except (ValueError, OverflowError):
            return None
        if first_outside(found.times) is not None:
            return None
        try:
            for at, line in found.odd:
                if self._read_line(at, line, last=at == found.lines - 1) is not None:
                    return None
        except InputError:
            self._text.ended = False
            return None
        self._text.lines_before += found.lines
        self._count_exemplars(block)
        return self._batch(found.numbers, found.times, found.values)

    def finish(self) -> None:
        """End the text. Raises `InputError` if OpenMetrics has no `# EOF`."""
        if self._text.openmetrics and not self._text.ended:
            raise InputError(
                f"{self._what}:{self._text.lines_before + 1}:1: # EOF is missing; "
                "the text may have been cut off"
            )

    def _columns(
        self, series: list[bytes], values: list[bytes], times: list[bytes]
    ) -> tuple[Ints, Ints, Floats]:
        numbers = np.fromiter(map(self._series.__getitem__, series), np.int64, len(series))
        floats = np.fromiter(map(float, values), np.float64, len(values))
        infinite = np.flatnonzero(np.isinf(floats)).tolist()
        if any(is_too_large(values[at], floats[at]) for at in infinite):
            raise ValueError("a number is too large")
        return numbers, self._stamps(times), floats

    def _stamps(self, times: list[bytes]) -> Ints:
        stamps = self._read_stamps(times)
        if first_outside(stamps) is not None:
            raise ValueError("a time is out of range")
        return stamps

    def _read_stamps(self, times: list[bytes]) -> Ints:
        if not any(times):
            return np.full(len(times), self._text.default_time_ms, np.int64)
        if not self._text.openmetrics:
            if all(times):
                return np.fromiter(map(int, times), np.int64, len(times))
            default = self._text.default_time_ms
            return np.fromiter((int(t) if t else default for t in times), np.int64, len(times))
        default_s = self._text.default_time_ms / 1000
        seconds = np.fromiter((float(t) if t else default_s for t in times), np.float64, len(times))
        if not (np.abs(seconds) < 2.0**52).all():
            raise ValueError("a time is out of range")
        return np.rint(seconds * 1000).astype(np.int64)

    def _read_line(self, at: int, line: bytes, *, last: bool = False) -> SampleLine | None:
        if self._text.openmetrics and line == _EOF:
            self._text.ended = True
            if not last:
                self._fail(at + 1, 0, "there is text behind # EOF", b"")
            return None
        try:
            found = read_line(line, openmetrics=self._text.openmetrics)
        except LineProblem as problem:
            self._fail(at, problem.column, problem.reason, line)
        if isinstance(found, MetadataLine):
            self.metadata[found.metric] = found.added_to(self.metadata.get(found.metric))
            return None
        return found

    def _fail_at_bad_line(self, block: bytes) -> NoReturn:
        for at, line in enumerate(block.split(b"\n")[:-1]):
            if not (self._text.openmetrics and line == _EOF):
                self._read_line(at, line)
        raise InputError(f"{self._what}: a number in the text is out of range")

    def _fail(self, at: int, column: int, reason: str, line: bytes) -> NoReturn:
        shown = line.decode(errors="replace")
        excerpt = shown if len(shown) <= 200 else shown[:200] + "…"
        picture = f"\n  {excerpt}\n  {' ' * column}^" if excerpt and column <= 200 else ""
        raise InputError(
            f"{self._what}:{self._text.lines_before + at + 1}:{column + 1}: {reason}{picture}"
        )

    def _batch(self, numbers: Ints, times: Ints, values: Floats) -> Batch:
        table, index = self._series.known.table(numbers)
        return Batch(table, index, times, values)


def _labels(canonical_bounds: bool, empty: str, text: bytes) -> dict[str, str]:
    labels = parse_series(text.decode(), empty=empty)
    if canonical_bounds:
        for label in _BOUNDS:
            if label in labels:
                labels[label] = canonical_bound(labels[label])
    return labels


def canonical_bound(text: str) -> str:
    """A bucket bound or quantile as OpenMetrics writes floats: "5" → "5.0", "inf" → "+Inf"."""
    try:
        number = float(text)
    except ValueError:
        return text
    if number != number or number in (float("inf"), float("-inf")):
        return {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}[str(number)]
    shown = repr(number)
    if "e" in shown:
        digits, _, exponent = shown.partition("e")
        return f"{digits}e{int(exponent):+03d}"
    return shown


def read_exposition(
    path: Path, metadata: dict[str, Metadata], options: ReadOptions
) -> Iterator[Batch]:
    """Batches of samples from a file; fills `metadata`. Raises `InputError` with the position.

    A file that ends in `# EOF`, or whose name ends in .om or .openmetrics, is OpenMetrics.
    """
    parser = ExpositionParser(
        openmetrics=is_openmetrics(path), default_time_ms=options.time_ms, what=str(path)
    )
    with open_plain(path, options.progress) as file:
        for block in whole_lines(file):
            batch = parser.feed(block)
            if len(batch):
                yield batch
        parser.finish()
    metadata.update(parser.metadata)


def is_openmetrics(path: Path) -> bool:
    """By name, else by the last line."""
    if {".om", ".openmetrics"} & {suffix.lower() for suffix in path.suffixes}:
        return True
    tail = read_tail(path, 16)
    return tail.rstrip(b"\r\n").rpartition(b"\n")[2] == _EOF


def whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """Blocks of some megabytes that end in a newline, which is added to the last if missing."""
    rest = b""
    while block := file.read(BLOCK_BYTES):
        head, newline, tail = block.rpartition(b"\n")
        if newline:
            yield rest + head + newline
            rest = tail
        else:
            rest += block
    if rest:
        yield rest + b"\n"
