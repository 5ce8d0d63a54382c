"""Values inside templates: Python's own, and the few kinds that templates distinguish."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from novaql.fast_dataclass import dataclass
from novaql.model.float_histogram import FloatHistogram
from novaql.model.histogram_notation import format_histogram
from novaql.rules.templates.problems import TemplateFailure, joined
from novaql.text.go_text import go_number

_DEEPEST = 50
"""Levels of a value that is printed: of collections in collections."""


class LabelMap(dict[str, str]):
    """Labels: a missing name returns "", as in Go's map of texts."""


@dataclass(frozen=True, slots=True)
class Record:
    """Named fields; access to another one is an error."""

    kind: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Time:
    """A moment, in milliseconds since 1970."""

    ms: int


@dataclass(frozen=True, slots=True)
class Seconds:
    """A length of time."""

    seconds: float


def sample(labels: dict[str, str], value: float | FloatHistogram) -> Record:
    """An element of the result of `query`."""
    return Record("sample", {"Labels": LabelMap(labels), "Value": value})


def encoded(text: str) -> bytes:
    """The bytes of a text; bytes that are no UTF-8 are lone surrogates in it."""
    return text.encode("utf-8", "surrogateescape")


def go_type(value: Any) -> str:
    """The name of a value's type in Go."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float64"
        case str():
            return "string"
        case LabelMap():
            return "map[string]string"
        case dict():
            return "map[string]interface {}"
        case list():
            return "template.queryResult"
        case Time():
            return "time.Time"
        case Seconds():
            return "time.Duration"
        case FloatHistogram():
            return "*histogram.FloatHistogram"
        case Record(kind=kind):
            return f"template.{kind}"
    return type(value).__name__


def truth(value: Any) -> bool:
    """The truth of a value in `if`: zero, "", nil and empty collections are false."""
    if isinstance(value, Seconds):
        return value.seconds != 0
    if isinstance(value, (Record, Time, FloatHistogram)):
        return True
    return bool(value)


def shown(value: Any) -> str:
    """Text of a value, as Go prints it with %v. Raises `TemplateFailure` for one that is too long
    or too deep: a collection may contain one text any number of times."""
    if not isinstance(value, (dict, list, Record)):
        return _plain(value)
    return joined("", _pieces(value, 0), "value")


def _pieces(value: Any, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        raise TemplateFailure(f"a value of more than {_DEEPEST} levels")
    if isinstance(value, dict):
        before = "map["
        for key in sorted(value):
            yield f"{before}{key}:"
            yield from _pieces(value[key], depth + 1)
            before = " "
        yield "]" if value else "map[]"
    elif isinstance(value, (list, Record)):
        begin, end = "[]" if isinstance(value, list) else "{}"
        items = value if isinstance(value, list) else value.fields.values()
        yield begin
        for place, item in enumerate(items):
            if place:
                yield " "
            yield from _pieces(item, depth + 1)
        yield end
    else:
        yield _plain(value)


def _plain(value: Any) -> str:
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int():
            return str(value)
        case float():
            return go_number(value)
        case Time():
            return time_text(value.ms)
        case Seconds():
            return duration_text(value.seconds)
        case FloatHistogram():
            return format_histogram(value)
    return str(value)


def time_text(ms: int) -> str:
    """`2026-03-01 12:00:00.5 +0000 UTC`, as Go prints a time."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    fraction = f".{ms % 1000:03d}".rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


def duration_text(seconds: float) -> str:
    """`1h30m0s`, `1.5s`, `20ms`, as Go prints a duration."""
    nanoseconds = round(seconds * 1e9)
    if nanoseconds == 0:
        return "0s"
    sign, size = ("-" if nanoseconds < 0 else ""), abs(nanoseconds)
    for unit, width in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if size < width * 1000:
            return f"{sign}{_fraction(size, width)}{unit}"
    minutes, rest = divmod(size, 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{_fraction(rest, 1_000_000_000)}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{sign}{hours}h{text}" if hours else f"{sign}{text}"


def _fraction(size: int, width: int) -> str:
    whole, rest = divmod(size, width)
    digits = len(str(width)) - 1
    tail = f".{rest:0{digits}d}".rstrip("0").rstrip(".") if rest else ""
    return f"{whole}{tail}"
