"""Influx line protocol → batches of samples.

Each field of a line is a series: its name is the measurement, `_`, and the field's name; its labels
are the tags. Numbers of all kinds become floats, booleans 0 and 1; texts are skipped. Lines of the
usual shape are split by one regular expression, and the rest of a line, without its values, is
parsed once and then looked up; `influx_line` reads every other line, one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from itertools import chain

import numpy as np

from novaql.errors import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs.known_series import MOST_SERIES, KnownSeries, TextsOfSeries
from novaql.inputs.label_limits import NO_LIMITS, LabelLimits
from novaql.inputs.sample_times import REASON, out_of_range
from novaql.inputs.text.influx_line import InfluxProblem, read_line
from novaql.inputs.text.line_splitting import without_comments
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Batch, Floats
from novaql.tsdb.model.source import FIRST_SAMPLE_MS, LAST_SAMPLE_MS

_KEY = rb"[^=,\s\"\\#]++=(?:-?[0-9]++[iu]|[-+.0-9eE]++)"
_LINE = re.compile(
    rb"([^\s\"\\#,=][^\s\"\\]*+) (" + _KEY + rb"(?:," + _KEY + rb")*+)(?: (-?[0-9]{1,19}))?+\n"
    rb"|([^\n]*+)\n"
)
_VALUE = re.compile(rb"=([-+.0-9eE]++)[iu]?+")
_PER_MS = {"ns": 1_000_000, "us": 1_000, "ms": 1}
_MS_PER = {"s": 1_000, "m": 60_000, "h": 3_600_000}
PRECISIONS = (*_PER_MS, *_MS_PER)
"""Units of timestamps."""
_SPELLINGS = {"n": "ns", "u": "us", "µ": "us", "µs": "us", "": "ns"}
MOST_PARTS = 10_000
"""Largest number of tags and fields of a line, for a reader with limits."""
_NEWLINE, _COMMA = 0x0A, 0x2C
_MOST_PROBLEMS = 10
_MOST_LEFT_OUT = 100_000
_MOST_TIME = 2**63 - 1
NO_LABELS: Mapping[str, str] = {}


def precision_of(text: str) -> str:
    """One of `PRECISIONS`, from a client's spelling of it. Raises `InputError`."""
    found = _SPELLINGS.get(text, text)
    if found not in PRECISIONS:
        raise InputError(f"the precision {text!r} is none of {', '.join(PRECISIONS)}")
    return found


@dataclass(slots=True)
class LineProblems:
    """Invalid lines that were skipped: how many, and what is wrong with the first of them."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def clear(self) -> None:
        self.count = 0
        self.first.clear()

    def add(self, line: int, reason: str) -> None:
        """Raises `InputError` if too many lines are invalid."""
        self.count += 1
        if self.count > _MOST_LEFT_OUT:
            raise InputError(f"more than {_MOST_LEFT_OUT} lines are at fault; {self.first[0]}")
        if len(self.first) < _MOST_PROBLEMS:
            self.first.append(f"line {line}: {reason}")


class InfluxParser:
    """Reads blocks of whole lines, and caches the series in them.

    what    name of the text in messages
    limits  of a series, and of the series of one block
    """

    def __init__(self, *, what: str = "text", limits: LabelLimits = NO_LIMITS) -> None:
        self._what = what
        self._limits = limits
        self._known = KnownSeries(limits)
        self._shapes: TextsOfSeries[tuple[int, ...]] = TextsOfSeries(self._known)

    def forget(self) -> None:
        """Clear the cached series."""
        self._shapes.forget()

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Remove the series that are new in the block if it raises.

        For a text that is read in several blocks, or rejected after it was read.
        """
        with self._shapes.all_or_nothing():
            yield

    def feed(
        self,
        block: bytes,
        *,
        default_time_ms: int,
        precision: str = "ns",
        extra: Mapping[str, str] = NO_LABELS,
        problems: LineProblems | None = None,
        lines_before: int = 0,
    ) -> Batch:
        """Samples of whole lines; each line ends in a newline. No series of an invalid line or
        block is cached.

        default_time_ms  time of lines that have none
        precision        unit of the times, one of `PRECISIONS`
        extra            labels for the series that have no tag of that name
        problems         notes invalid lines, which are skipped; None: they raise `InputError`
        lines_before     lines of the text before the block
        """
        if self._known.is_full or len(self._shapes) > MOST_SERIES:
            self.forget()
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        self._limits.check_lines(block, self._what, lines_before)
        if self._limits is not NO_LIMITS and block.count(b",") > MOST_PARTS:
            _need_short_lines(block, self._what, lines_before)
        found = _Found(default_time_ms, precision)
        with self.all_or_nothing():
            try:
                with self.all_or_nothing():
                    self._quickly(_LINE.findall(without_comments(block)), extra, found)
            except (ValueError, OverflowError, InputError):
                # A line is invalid: find out which.
                found = _Found(default_time_ms, precision)
                self._line_by_line(block, extra, found, problems, lines_before)
            numbers, times, values = found.columns()
            table, index = self._known.table(numbers)
        return Batch(table, index, times, values)

    def _line_by_line(
        self,
        block: bytes,
        extra: Mapping[str, str],
        found: _Found,
        problems: LineProblems | None,
        lines_before: int,
    ) -> None:
        for at, text in enumerate(block.split(b"\n")[:-1]):
            try:
                with self._known.all_or_nothing():
                    self._read_line(at, text, extra, found)
            except (InfluxProblem, InputError) as problem:
                number = lines_before + at + 1
                reason = problem.reason if isinstance(problem, InfluxProblem) else str(problem)
                if problems is None:
                    raise InputError(f"{self._what}:{number}: {reason}") from problem
                problems.add(number, reason)

    def _quickly(
        self, lines: list[tuple[bytes, ...]], extra: Mapping[str, str], found: _Found
    ) -> None:
        """Raises an error of any kind if a line is invalid."""
        usual = [line for line in lines if line[0]]
        if len(usual) < len(lines):
            for at, parts in enumerate(lines):
                if not parts[0]:
                    self._read_line(at, parts[3], extra, found)
        if not usual:
            return
        heads, of_fields, stamps, _ = zip(*usual, strict=True)
        fields = b"\n".join(of_fields)
        shapes = _VALUE.sub(b"=", fields).split(b"\n")
        known = self._shapes
        suffix = b" " + repr(sorted(extra.items())).encode() if extra else b""
        of_lines = []
        for head, shape in zip(heads, shapes, strict=True):
            key = head + b" " + shape + suffix
            series = known.get(key)
            if series is None:
                line = read_line(head + b" " + shape.replace(b"=", b"=0"))
                if len(line.fields) < shape.count(b"="):
                    raise ValueError("a field is given twice")  # values would be of other series
                series = tuple(self._known.number(labels) for labels, _ in line.series(extra))
                known[key] = series
                self._known.note_text(key)
            of_lines.append(series)
        counts = np.fromiter(map(len, of_lines), np.int64, len(of_lines))
        total = int(counts.sum())
        values = np.fromiter(map(float, _VALUE.findall(fields)), np.float64, total)
        if not np.isfinite(values).all():
            raise ValueError("a number is too large")
        times = np.full(len(usual), found.default_time_ms)
        if all(stamps):
            times = found.in_ms(np.fromiter(map(int, stamps), np.int64, len(stamps)))
        elif any(stamps):
            there = np.fromiter(map(bool, stamps), np.bool_, len(stamps))
            given = np.array([int(stamp) for stamp in stamps if stamp], np.int64)
            times[there] = found.in_ms(given)
        place = np.flatnonzero([bool(line[0]) for line in lines])
        found.add(
            np.repeat(place, counts),
            np.fromiter(chain.from_iterable(of_lines), np.int64, total),
            np.repeat(times, counts),
            values,
        )

    def _read_line(self, at: int, text: bytes, extra: Mapping[str, str], found: _Found) -> None:
        bare = text.strip(b" \t")
        if not bare or bare.startswith(b"#"):
            return
        line = read_line(text)
        pairs = list(line.series(extra))
        numbers = [self._known.number(labels) for labels, _ in pairs]
        time = found.default_time_ms
        if line.time is not None:
            if abs(line.time) > _MOST_TIME:
                raise out_of_range(line.time)
            time = int(found.in_ms(np.array([line.time], np.int64))[0])
        found.add(
            np.full(len(numbers), at),
            np.array(numbers, np.int64),
            np.full(len(numbers), time),
            np.array([value for _, value in pairs], np.float64),
        )


def _need_short_lines(block: bytes, what: str, lines_before: int) -> None:
    """Raises `InputError` for a line that has too many tags and fields."""
    octets = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(octets == _NEWLINE)
    commas = np.flatnonzero(octets == _COMMA)
    of_lines = np.diff(np.searchsorted(commas, ends), prepend=0)
    if int(of_lines.max(initial=0)) > MOST_PARTS:
        line = lines_before + int(of_lines.argmax()) + 1
        raise InputError(f"{what}:{line}: a line has more than {MOST_PARTS} tags and fields")


class _Found:
    """Samples of a block, in pieces: arrays of lines, series, times and values."""

    def __init__(self, default_time_ms: int, precision: str) -> None:
        self.default_time_ms = default_time_ms
        self._precision = precision
        none = np.zeros(0, np.int64)
        self._pieces: list[tuple[Ints, Ints, Ints, Floats]] = [(none, none, none, np.zeros(0))]

    def in_ms(self, times: Ints) -> Ints:
        """Milliseconds. Raises `InputError` for a time that cannot be stored."""
        factor = _MS_PER.get(self._precision)
        if factor is None:
            return times // _PER_MS[self._precision]
        most = LAST_SAMPLE_MS // factor
        # Not by np.abs, which has no positive number for the least one of 64 bits.
        if len(times) and not -most <= int(times.min()) <= int(times.max()) <= most:
            raise out_of_range(times[(times < -most) | (times > most)][0])
        return times * factor

    def add(self, lines: Ints, series: Ints, times: Ints, values: Floats) -> None:
        if (
            len(times)
            and not FIRST_SAMPLE_MS <= int(times.min()) <= int(times.max()) <= LAST_SAMPLE_MS
        ):
            raise InputError(f"a time is out of range: {REASON}")
        self._pieces.append((lines, series, times, values))

    def columns(self) -> tuple[Ints, Ints, Floats]:
        """Numbers of series, times and values, in order of the lines."""
        lines, series, times, values = (
            np.concatenate(column) for column in zip(*self._pieces, strict=True)
        )
        order = np.argsort(lines, kind="stable")
        return series[order], times[order], values[order]
