"""One line of exposed metrics: comments, unusual samples, and what is wrong with a line."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from novaql.fast_dataclass import dataclass
from novaql.inputs.sample_times import REASON
from novaql.text.excerpts import excerpt
from novaql.text.series_parser import SeriesTextProblem, parse_series_start, unescape
from novaql.tsdb.model.source import FIRST_SAMPLE_MS, LAST_SAMPLE_MS, Metadata

TYPES = frozenset(
    ["counter", "gauge", "histogram", "gaugehistogram", "summary", "stateset", "info", "unknown"]
)
_METADATA = re.compile(
    r'#[ \t]+(HELP|TYPE|UNIT)[ \t]+([^ \t"]+|"(?:[^"\\]++|\\.)*+")(?:[ \t]([^\n]*))?'
)
_VALUE = re.compile(r"[ \t]*([^ \t#]+)")
_EXEMPLAR = re.compile(
    r'[ \t]*# \{(?:[^"{}]++|"(?:[^"\\]++|\\.)*+")*+\} [-+.0-9A-Za-z]+(?: [-+.0-9eE]+)?[ \t]*'
)
_MOST_SECONDS = 2.0**52


class LineProblem(ValueError):
    """The line is invalid. `column` counts characters from 0."""

    def __init__(self, column: int, reason: str) -> None:
        self.column = column
        self.reason = excerpt(reason)
        super().__init__(self.reason)


@dataclass(frozen=True, slots=True)
class SampleLine:
    """The texts of a sample. `time` is b"" if there is none."""

    series: bytes
    value: bytes
    time: bytes


@dataclass(frozen=True, slots=True)
class MetadataLine:
    """A HELP, TYPE or UNIT line."""

    metric: str
    kind: str
    text: str

    def added_to(self, known: Metadata | None) -> Metadata:
        return replace(known or Metadata(), **{self.kind.lower(): self.text})


def read_line(line: bytes, *, openmetrics: bool) -> SampleLine | MetadataLine | None:
    """The content of a line; None for blank lines and free comments. Raises `LineProblem`."""
    try:
        text = line.decode()
    except UnicodeDecodeError as problem:
        before = line[: problem.start].decode()
        raise LineProblem(len(before), "this is not valid UTF-8") from problem
    bare = text.strip(" \t")
    if not bare:
        if openmetrics:
            raise LineProblem(0, "OpenMetrics has no empty lines")
        return None
    if bare.startswith("#"):
        return _comment(text.lstrip(" \t"), openmetrics)
    return _sample(text, openmetrics)


def _comment(text: str, openmetrics: bool) -> MetadataLine | None:
    found = _METADATA.fullmatch(text)
    if found is None:
        if openmetrics:
            raise LineProblem(0, "expected # HELP, # TYPE, # UNIT or # EOF and a metric name")
        return None
    kind, metric, content = found.groups(default="")
    if metric.startswith('"'):
        metric = unescape(metric[1:-1])
    if kind == "TYPE":
        content = content.strip()
        if content == "untyped":
            content = "unknown"
        if content not in TYPES:
            known = ", ".join(sorted(TYPES))
            reason = f"{content!r} is no metric type; the types are {known}"
            raise LineProblem(found.start(3), reason)
    elif kind == "HELP":
        content = unescape(content)
    return MetadataLine(metric, kind, content)


def _sample(text: str, openmetrics: bool) -> SampleLine:
    start = len(text) - len(text.lstrip(" \t"))
    try:
        _, length = parse_series_start(text[start:])
    except SeriesTextProblem as problem:
        raise LineProblem(start + problem.position, problem.reason) from problem
    series = text[start : start + length]
    at = start + length
    value = _VALUE.match(text, at)
    if value is None:
        raise LineProblem(at, "a value is missing")
    if value.start(1) == at and not series.endswith("}"):
        raise LineProblem(at, f"unexpected {text[at]!r} in the metric name")
    if not _is_float(value[1]):
        raise LineProblem(value.start(1), f"{value[1]!r} is no number")
    at = value.end()
    stamp = _VALUE.match(text, at)
    time = ""
    if stamp is not None:
        time = stamp[1]
        at = stamp.end()
        if not _is_time(time, openmetrics):
            wanted = "seconds" if openmetrics else "whole milliseconds"
            raise LineProblem(stamp.start(1), f"{time!r} is no time in {wanted}")
        scale = 1000 if openmetrics else 1
        if not FIRST_SAMPLE_MS <= float(time) * scale < LAST_SAMPLE_MS + 1:
            raise LineProblem(stamp.start(1), f"the time {time} is out of range: {REASON}")
    if text[at:].strip(" \t") and not (openmetrics and _EXEMPLAR.fullmatch(text, at)):
        column = at + len(text[at:]) - len(text[at:].lstrip(" \t"))
        raise LineProblem(column, "unexpected text behind the sample")
    return SampleLine(series.encode(), value[1].encode(), time.encode())


def is_too_large(text: bytes, value: float) -> bool:
    """Whether the number in a text is beyond those of 64 bits, of which Python makes infinity."""
    return math.isinf(value) and not text.lstrip(b"+-").lower().startswith(b"inf")


def _is_float(text: str) -> bool:
    # Python also accepts 1_000 and digits of other scripts, which these formats do not have.
    if not text.isascii() or "_" in text:
        return False
    try:
        return not is_too_large(text.encode(), float(text))
    except ValueError:
        return False


def _is_time(text: str, openmetrics: bool) -> bool:
    if openmetrics:
        return _is_float(text) and math.isfinite(float(text)) and abs(float(text)) < _MOST_SECONDS
    return bool(re.fullmatch(r"[-+]?[0-9]{1,18}", text))
