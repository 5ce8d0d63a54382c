"""One line of Influx line protocol: escapes, texts, and what is wrong with a line."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

from novaql.fast_dataclass import dataclass
from novaql.text.excerpts import excerpt
from novaql.tsdb.model.labels import METRIC_NAME

NUMBER = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
"""A regular expression for a number, also in RE2."""
_NUMBER = re.compile(NUMBER.encode())
_WHOLE = re.compile(rb"-?[0-9]+[iu]")
_TRUE = frozenset([b"t", b"T", b"true", b"True", b"TRUE"])
_FALSE = frozenset([b"f", b"F", b"false", b"False", b"FALSE"])
_TIME = re.compile(rb"-?[0-9]{1,30}")
# Parts of a line up to the byte behind them, with their escapes. Each also matches no bytes.
_MEASUREMENT = re.compile(rb"(?:[^\\, ]++|\\[,= ]?+)*+")
_KEY = _TAG_VALUE = re.compile(rb"(?:[^\\,= ]++|\\[,= ]?+)*+")
_QUOTED = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_UNQUOTED = re.compile(rb"[^, ]*+")
_BLANKS = re.compile(rb"[ \t]*+")


class InfluxProblem(ValueError):
    """The line is invalid. `column` counts bytes from 0."""

    def __init__(self, column: int, reason: str) -> None:
        self.column = column
        self.reason = f"column {column + 1}: {excerpt(reason)}"
        super().__init__(self.reason)


@dataclass(frozen=True, slots=True)
class InfluxLine:
    """The content of a line. A field has None if its value is a text that is no number; `time` is
    in the unit of the file."""

    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, float | None]
    time: int | None

    def series(self, extra: Mapping[str, str]) -> Iterator[tuple[dict[str, str], float]]:
        """Labels and value of every field that is a number.

        extra  labels for the series that have no tag of that name
        """
        for key, value in self.fields.items():
            if value is not None:
                yield {**extra, **self.tags, METRIC_NAME: f"{self.measurement}_{key}"}, value


def read_line(line: bytes) -> InfluxLine:
    """Read a line that is neither blank nor a comment. Raises `InfluxProblem`."""
    line = line.strip(b" \t")
    measurement, at = _part(_MEASUREMENT, line, 0)
    if not measurement:
        raise InfluxProblem(0, "a measurement is missing")
    tags: dict[str, str] = {}
    while at < len(line) and line[at : at + 1] == b",":
        begin = at + 1
        key, at = _part(_KEY, line, begin)
        if line[at : at + 1] != b"=":
            raise InfluxProblem(begin, "a tag has no value")
        value, at = _part(_TAG_VALUE, line, at + 1)
        if line[at : at + 1] == b"=":
            raise InfluxProblem(at, "an equals sign in a tag value is written \\=")
        if not key or not value:
            raise InfluxProblem(begin, f"a tag has no {'value' if key else 'name'}")
        name = _text(key, begin)
        if name in tags:
            raise InfluxProblem(begin, f"the tag {name} is given twice")
        tags[name] = _text(value, begin)
    at = _end(_BLANKS, line, at)
    fields, at = _fields(line, at)
    at = _end(_BLANKS, line, at)
    rest = line[at:]
    if rest and not _TIME.fullmatch(rest):
        raise InfluxProblem(at, f"{_shown(rest)} is no time")
    return InfluxLine(_text(measurement, 0), tags, fields, int(rest) if rest else None)


def number_in(text: bytes) -> float | None:
    """The number that a quoted text is: some agents send their numbers so."""
    number = float(text) if _NUMBER.fullmatch(text) else math.inf
    return number if math.isfinite(number) else None


def _fields(line: bytes, at: int) -> tuple[dict[str, float | None], int]:
    fields: dict[str, float | None] = {}
    while True:
        begin = at
        key, at = _part(_KEY, line, at)
        if line[at : at + 1] != b"=":
            what = "fields are missing" if begin >= len(line) else "a field has no value"
            raise InfluxProblem(min(begin, len(line)), what)
        if not key:
            raise InfluxProblem(begin, "a field has no name")
        value, at = _value(line, at + 1)
        name = _text(key, begin)
        fields[name] = value
        if line[at : at + 1] != b",":
            return fields, at
        at += 1


def _value(line: bytes, at: int) -> tuple[float | None, int]:
    if line[at : at + 1] == b'"':
        end = _end(_QUOTED, line, at + 1)
        if end == len(line) or line[end : end + 1] != b'"':
            raise InfluxProblem(at, "a text has no closing quote")
        quoted = line[at + 1 : end]
        _text(quoted, at + 1)
        return number_in(quoted), end + 1
    end = _end(_UNQUOTED, line, at)
    text = line[at:end]
    if _WHOLE.fullmatch(text):
        return float(text[:-1]), end
    if _NUMBER.fullmatch(text):
        number = float(text)
        if math.isinf(number):
            raise InfluxProblem(at, f"{_shown(text)} is too large for a 64-bit float")
        return number, end
    if text in _TRUE or text in _FALSE:
        return float(text in _TRUE), end
    raise InfluxProblem(at, f"{_shown(text)} is no number, truth value or quoted text")


def _part(pattern: re.Pattern[bytes], line: bytes, at: int) -> tuple[bytes, int]:
    """A name or tag value with its escapes undone, and where it ends."""
    end = _end(pattern, line, at)
    part = line[at:end]
    if b"\\" in part:
        part = part.replace(b"\\,", b",").replace(b"\\=", b"=").replace(b"\\ ", b" ")
    return part, end


def _end(pattern: re.Pattern[bytes], line: bytes, at: int) -> int:
    """Where the match at `at` ends, of a pattern that also matches no bytes."""
    found = pattern.match(line, at)
    assert found is not None
    return found.end()


def _text(raw: bytes, column: int) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as problem:
        raise InfluxProblem(column + problem.start, "this is not valid UTF-8") from problem


def _shown(raw: bytes) -> str:
    shown = raw[:40].decode(errors="replace")
    return repr(shown) if len(raw) <= 40 else repr(shown + "…")
