"""`name{a="b"} 0+10x3 _ stale {{count:1}}`: a series with values at consecutive places."""

from __future__ import annotations

import re
from collections.abc import Iterator

from novaql.fast_dataclass import dataclass
from novaql.model.float_histogram import FloatHistogram, IncompatibleHistograms, add, subtract
from novaql.model.histogram_notation import format_histogram, parse_histogram
from novaql.model.label_set import Labels, labels_of
from novaql.model.problems import NotationProblem
from novaql.model.sample_notation import format_float, parse_float
from novaql.text.series_parser import SeriesTextProblem, parse_series_start
from novaql.tsdb.model.samples import STALE


@dataclass(frozen=True, slots=True)
class NamedHint:
    """A histogram, and whether its text names a counter reset hint."""

    histogram: FloatHistogram
    hint_given: bool


Item = float | NamedHint | None
"""The value at one place of a sequence: a float, a histogram, or None for a gap."""

_FLOAT = r"[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|nan)"
_FLOAT_RUN = re.compile(
    rf"({_FLOAT})(?:([+-])({_FLOAT.removeprefix('[+-]?')}))?(?:x([0-9]+))?", re.I
)
_GAPS = re.compile(r"_(?:x([0-9]+))?")
_HISTOGRAM = r"\{\{[^}]*\}\}"
_HISTOGRAM_RUN = re.compile(rf"({_HISTOGRAM})(?:([+-])({_HISTOGRAM}))?(?:x([0-9]+))?")
_WORD = re.compile(rf"(?:{_HISTOGRAM}|[^\s{{}}]+)+")
_NAME_OF_HISTOGRAM = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?=\{\{)")
_BLANKS = re.compile(r"\s*")
_MOST_ITEMS = 1_000_000


def split_series(line: str) -> tuple[Labels, str]:
    """The label set at the start of a line, and the rest of the line.

    Raises `NotationProblem`.
    """
    if name := _NAME_OF_HISTOGRAM.match(line):
        return (("__name__", name[1]),), line[name.end(1) :]
    try:
        label_set, end = parse_series_start(line, query_notation=True)
    except SeriesTextProblem as problem:
        raise NotationProblem(
            f"{problem.reason} (column {problem.position + 1} of the line)"
        ) from None
    if end == 0:
        raise NotationProblem(f"expected a series, found {line!r}")
    return labels_of(label_set), line[end:]


def parse_values(text: str) -> list[Item]:
    """The items of a sequence, one per place. Raises `NotationProblem`."""
    items: list[Item] = []
    for word in _words(text):
        items.extend(_expand(word))
        if len(items) > _MOST_ITEMS:
            raise NotationProblem(f"more than {_MOST_ITEMS} values in one series")
    return items


def _words(text: str) -> Iterator[str]:
    at = _end_of_blanks(text, 0)
    while at < len(text):
        word = _WORD.match(text, at)
        if word is None:
            raise NotationProblem(f"cannot read the values from {text[at:]!r} on")
        yield word[0]
        at = _end_of_blanks(text, word.end())


def _end_of_blanks(text: str, at: int) -> int:
    blanks = _BLANKS.match(text, at)
    assert blanks is not None
    return blanks.end()


def _expand(word: str) -> list[Item]:
    if word == "stale":
        return [STALE]
    if gaps := _GAPS.fullmatch(word):
        return [None] * _times(gaps[1] or "1")
    if run := _FLOAT_RUN.fullmatch(word):
        first, sign, increment, times = run.groups()
        return _float_run(first, sign, increment, times)
    if run := _HISTOGRAM_RUN.fullmatch(word):
        first, sign, increment, times = run.groups()
        return _histogram_run(first, sign, increment, times)
    raise NotationProblem(f"{word!r} is no value")


def _float_run(
    first: str, sign: str | None, increment: str | None, times: str | None
) -> list[Item]:
    value = parse_float(first)
    step = 0.0 if increment is None else parse_float(increment)
    assert value is not None
    assert step is not None
    if sign is not None and times is None:
        raise NotationProblem(f"{first}{sign}{increment} lacks how many times, as in x10")
    if sign == "-":
        step = -step
    items: list[Item] = [value]
    for _ in range(_times(times or "0")):
        # Added repeatedly, as Prometheus does; an increment of 0 must not change the value.
        value = value + step if increment is not None else value
        items.append(value)
    return items


def _histogram_run(
    first: str, sign: str | None, increment: str | None, times: str | None
) -> list[Item]:
    histogram, hint_given = parse_histogram(first)
    if increment is None:
        return [NamedHint(histogram, hint_given)] * (_times(times or "0") + 1)
    if times is None:
        raise NotationProblem(f"{first}{sign}{increment} lacks how many times, as in x10")
    step, hint_given = parse_histogram(increment)
    combine = add if sign == "+" else subtract
    items: list[Item] = [NamedHint(histogram, hint_given)]
    for _ in range(_times(times)):
        if histogram.schema > step.schema:
            raise NotationProblem(
                "error combining histograms: "
                f"schema {histogram.schema} is finer than schema {step.schema}"
            )
        try:
            histogram = combine(histogram, step)
        except IncompatibleHistograms as problem:
            raise NotationProblem(f"error combining histograms: {problem}") from None
        items.append(NamedHint(histogram, hint_given))
    return items


def _times(text: str) -> int:
    if len(text) > 9 or int(text) > _MOST_ITEMS:
        raise NotationProblem(f"x{text}: more than {_MOST_ITEMS} values in one series")
    return int(text)


def format_item(item: float | FloatHistogram | NamedHint | None) -> str:
    """One item of a sequence in this notation."""
    if item is None:
        return "_"
    if isinstance(item, NamedHint):
        return format_histogram(item.histogram)
    if isinstance(item, FloatHistogram):
        return format_histogram(item)
    return format_float(item)
