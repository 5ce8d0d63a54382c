"""JSON lines → batches of samples: many samples of a series in a line, or one.

    {"metric":{"__name__":"up","job":"api"},"values":[1,0],"timestamps":[1700000000000,1700000015000]}
    {"metric":{"__name__":"up","job":"api"},"value":1,"timestamp":1700000000000}

The first form is what VictoriaMetrics exports and imports. Times are milliseconds since 1970. A
value is a number, or one of the texts NaN, Infinity and -Infinity; null is no sample. Instead of
`metric` there may be `labels`, and `name` beside either. Lines as programs write them, like those
above, are split by one regular expression, and their numbers are read all at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import orjson

from novaql.errors import InputError, LimitExceeded
from novaql.inputs.known_series import MOST_SERIES, KnownSeries, SeriesTexts
from novaql.inputs.label_limits import NO_LIMITS, LabelLimits
from novaql.inputs.sample_times import out_of_range
from novaql.inputs.text.json_memory import check_json_memory
from novaql.inputs.text.line_splitting import without_blank_lines
from novaql.text.excerpts import excerpt
from novaql.tsdb.model.labels import METRIC_NAME, Bools, Ints
from novaql.tsdb.model.samples import Batch, Floats
from novaql.tsdb.model.source import FIRST_SAMPLE_MS, LAST_SAMPLE_MS

_PART_BYTES = 1 << 20
_NUMBERS = rb"([-+.0-9eE,]++)"
_TEXT = rb'(?:null|"[-+A-Za-z]{2,9}")'
_VALUES = rb"(" + _TEXT + rb"?+[-+.0-9eE,]++(?:" + _TEXT + rb"[-+.0-9eE,]*+)*+)"
_LINE = re.compile(
    rb'\{"metric":(\{[^{}\n]*+\}),'
    rb'(?:"values":\[' + _VALUES + rb'\],"timestamps":\[' + _NUMBERS + rb"\]"
    rb'|"value":([-+.0-9eE]++),"timestamp":([-+.0-9eE]++))\}[ \t]*+\n|([^\n]*+)\n'
)
_LONG = re.compile(rb'\{"metric":\{[^{}\n]*+\},"values":\[')
_BETWEEN = b'],"timestamps":['
_LINE_SAMPLES, _LONG_BYTES = 64 << 10, 256 << 10
_NEGATIVE_ZERO = re.compile(rb"(?<![-+.0-9eE])-0(?![.0-9eE])")
"""A whole number, from which the reader of JSON makes a zero without a sign."""
_TEXT_OR_ZERO = re.compile(rb'("(?:[^"\\]|\\.)*+")|' + _NEGATIVE_ZERO.pattern)
_TEXTS = {
    "NaN": float("nan"),
    "Infinity": float("inf"),
    "+Infinity": float("inf"),
    "Inf": float("inf"),
    "+Inf": float("inf"),
    "-Infinity": float("-inf"),
    "-Inf": float("-inf"),
}
SAMPLE_KEYS = frozenset(["metric", "labels", "name", "values", "timestamps", "value", "timestamp"])


def short_lines(block: bytes) -> Iterator[bytes]:
    """A block of lines; a long line as programs write it is cut into several of its series.

    Raises `InputError` if such a line has more values than timestamps, or fewer.
    """
    head = _LONG.match(block) if len(block) > _LONG_BYTES else None
    middle = -1 if head is None else block.find(_BETWEEN, head.end())
    end = block.rfind(b"]}")
    if head is None or middle < 0 or block.count(b"\n") != 1 or block[end + 2 :].strip():
        yield block
        return
    value, stamp = head.end(), middle + len(_BETWEEN)
    while value < middle and stamp < end:
        values, next_value = _some(block, value, middle)
        stamps, next_stamp = _some(block, stamp, end, values.count(b",") + 1)
        if (next_value < middle) != (next_stamp < end):
            raise InputError("a line has not as many timestamps as values")
        yield b"%b%b%b%b]}\n" % (head[0], values, _BETWEEN, stamps)
        value, stamp = next_value, next_stamp


def _some(text: bytes, at: int, end: int, most: int = _LINE_SAMPLES) -> tuple[bytes, int]:
    """Up to so many items of a list, and where the next one begins."""
    stop = at
    for _ in range(most):
        stop = text.find(b",", stop, end)
        if stop < 0:
            return text[at:end], end
        stop += 1
    return text[at : stop - 1], stop


class JsonLinesParser:
    """Reads blocks of whole lines, and caches the series in them.

    what    name of the text in messages
    limits  of a series, and of the series of one block
    """

    def __init__(self, *, what: str = "text", limits: LabelLimits = NO_LIMITS) -> None:
        self._what = what
        self._series = SeriesTexts(_labels_of_text, KnownSeries(limits))

    def forget(self) -> None:
        """Clear the cached series."""
        self._series.forget()

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Remove the series that are new in the block if it raises.

        For a text that is read in several blocks, or rejected after it was read.
        """
        with self._series.all_or_nothing():
            yield

    def feed(self, block: bytes, *, default_time_ms: int, lines_before: int = 0) -> Batch:
        """Samples of whole lines; each line ends in a newline. Raises `InputError`, after which no
        series of the block is cached.

        default_time_ms  time of lines with one value that have none
        lines_before     lines of the text before the block
        """
        with self.all_or_nothing():
            return self._feed(block, default_time_ms, lines_before)

    def _feed(self, block: bytes, default_time_ms: int, lines_before: int) -> Batch:
        if len(self._series) > MOST_SERIES or self._series.known.is_full:
            self.forget()
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        lines = _LINE.findall(without_blank_lines(block))
        columns = None
        if all(line[0] for line in lines):
            columns = self._quickly(lines)
        del lines  # copies of all lines
        if columns is None:
            columns = self._slowly(block, default_time_ms, lines_before)
        numbers, times, values = columns
        table, index = self._series.known.table(numbers)
        return Batch(table, index, times, values)

    def _quickly(self, lines: list[tuple[bytes, ...]]) -> tuple[Ints, Ints, Floats] | None:
        """None if a line is invalid, or has to be read by itself."""
        values = [line[1] or line[3] for line in lines]
        stamps = [line[2] or line[4] for line in lines]
        counts = np.array([text.count(b",") for text in values], np.int64) + 1
        stamped = np.array([text.count(b",") for text in stamps], np.int64) + 1
        if (counts != stamped).any():
            return None
        try:
            numbers = np.array([self._series[line[0]] for line in lines], np.int64)
            parts = [_quick_floats(part) for part in _parts(values)]
            stamp_parts = [np.array(orjson.loads(b"[%b]" % part)) for part in _parts(stamps)]
        except (ValueError, OverflowError, InputError):
            return None
        if not len(lines):
            return numbers, np.zeros(0, np.int64), np.zeros(0)
        if any(part.dtype != np.int64 for part in stamp_parts):
            return None
        times = np.concatenate(stamp_parts)
        floats = np.concatenate([floats for floats, _ in parts])
        if len(times) != len(floats) or len(floats) != counts.sum():
            return None
        if not FIRST_SAMPLE_MS <= int(times.min()) <= int(times.max()) <= LAST_SAMPLE_MS:
            return None
        numbers = np.repeat(numbers, counts)
        if any(absent is not None for _, absent in parts):
            there = np.concatenate(
                [
                    np.ones(len(part), np.bool_) if absent is None else ~absent
                    for part, absent in parts
                ]
            )
            numbers, times, floats = numbers[there], times[there], floats[there]
        return numbers, times, floats

    def _slowly(
        self, block: bytes, default_time_ms: int, lines_before: int
    ) -> tuple[Ints, Ints, Floats]:
        numbers: list[Ints] = [np.zeros(0, np.int64)]
        times: list[Ints] = [np.zeros(0, np.int64)]
        values: list[Floats] = [np.zeros(0)]
        for at, line in enumerate(block.split(b"\n")[:-1]):
            if not line.strip():
                continue
            try:
                labels, stamps, floats = _read_line(line, default_time_ms)
                number = self._series.known.number(labels)
            except LimitExceeded:
                raise
            except (ValueError, InputError) as problem:
                where = f"{self._what}:{lines_before + at + 1}"
                raise InputError(f"{where}: {excerpt(str(problem))}") from problem
            numbers.append(np.full(len(stamps), number))
            times.append(stamps)
            values.append(floats)
        return np.concatenate(numbers), np.concatenate(times), np.concatenate(values)


def _parts(texts: list[bytes]) -> Iterator[bytes]:
    """Lists of numbers as one text with commas, in parts of bounded length."""
    whole, at = b",".join(texts), 0
    while len(whole) - at > _PART_BYTES and (end := whole.find(b",", at + _PART_BYTES)) >= 0:
        yield whole[at:end]
        at = end + 1
    if whole:
        yield whole[at:]


def _quick_floats(text: bytes) -> tuple[Floats, Bools | None]:
    """Numbers, and which of them are null; None: none is. Raises `ValueError`."""
    if b"-0" in text:
        text = _NEGATIVE_ZERO.sub(b"-0.0", text)
    values = orjson.loads(b"[%b]" % text)
    absent = None
    if b"null" in text:
        absent = np.array([value is None for value in values], np.bool_)
        values = [0.0 if value is None else value for value in values]
    return (_floats(values) if b'"' in text else np.array(values, np.float64)), absent


def _read_line(line: bytes, default_time_ms: int) -> tuple[dict[str, str], Ints, Floats]:
    """Raises `ValueError`, `LimitExceeded`."""
    check_json_memory(line, "the line")
    content = orjson.loads(line)
    if not isinstance(content, dict):
        raise ValueError("a line is one JSON object")  # noqa: TRY004 - of the text, not of a call
    unknown = sorted(content.keys() - SAMPLE_KEYS)
    if unknown:
        raise ValueError(
            f"there is no key {unknown[0]!r}; the keys are {', '.join(sorted(SAMPLE_KEYS))}"
        )
    labels = _labels(content.get("metric", content.get("labels", {})))
    if "name" in content:
        if not isinstance(content["name"], str):
            raise ValueError("name is no text")
        labels[METRIC_NAME] = content["name"]
    labels = {name: value for name, value in labels.items() if value}
    if not labels:
        raise ValueError("the series has no labels")
    if "values" in content:
        values, stamps = content["values"], content.get("timestamps")
        if not isinstance(values, list) or not isinstance(stamps, list):
            raise ValueError("values and timestamps are lists")
        if len(values) != len(stamps):
            raise ValueError(f"there are {len(values)} values and {len(stamps)} timestamps")
    elif "value" in content:
        values, stamps = [content["value"]], [content.get("timestamp", default_time_ms)]
    else:
        raise ValueError("there are no values")
    if b"-0" in line and 0 in values:  # the sign of a whole zero is lost
        signed = orjson.loads(_TEXT_OR_ZERO.sub(lambda hit: hit[1] or b"-0.0", line))
        values = signed["values"] if "values" in content else [signed["value"]]
    there = [at for at, value in enumerate(values) if value is not None]
    if len(there) < len(values):
        values, stamps = [values[at] for at in there], [stamps[at] for at in there]
    return labels, _times(stamps), _floats(values)


def _labels(found: Any) -> dict[str, str]:
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ValueError("labels are an object of texts")
    if "" in found:
        raise ValueError("a label has no name")
    return dict(found)


def _labels_of_text(text: bytes) -> dict[str, str]:
    """Raises `ValueError` if the line has to be read by itself."""
    labels = {name: value for name, value in _labels(orjson.loads(text)).items() if value}
    if not labels:
        raise ValueError("the series has no labels")
    return labels


def _floats(values: list[Any]) -> Floats:
    if any(isinstance(value, str) for value in values):
        unknown = next((v for v in values if isinstance(v, str) and v not in _TEXTS), None)
        if unknown is not None:
            raise ValueError(f"{unknown[:40]!r} is no value; texts are NaN, Infinity, -Infinity")
        values = [_TEXTS[value] if isinstance(value, str) else value for value in values]
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        raise ValueError("a value is neither a number nor null")
    return np.array(values, np.float64)


def _times(stamps: list[Any]) -> Ints:
    if not all(isinstance(stamp, int) and not isinstance(stamp, bool) for stamp in stamps):
        raise ValueError("timestamps are whole numbers of milliseconds")
    outside = next(
        (stamp for stamp in stamps if not FIRST_SAMPLE_MS <= stamp <= LAST_SAMPLE_MS), None
    )
    if outside is not None:
        raise out_of_range(outside)
    return np.array(stamps, np.int64)
