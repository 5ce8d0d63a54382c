"""One series written as text, as metrics are exposed: `name{label="value"}` → label set.

Also the quoted form of Prometheus 3 for any UTF-8 name: `{"a name", "a label"="value"}`.
"""

from __future__ import annotations

import re

from novaql.text.excerpts import excerpt
from novaql.tsdb.model.labels import METRIC_NAME

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_QUOTED = r'"((?:[^"\\\n]++|\\[^\n])*+)"'
_USUAL = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^{}\\\n]+)\}")
_PAIR = re.compile(r'(?<![a-zA-Z0-9_])([a-zA-Z_][a-zA-Z0-9_]*+)="([^"\\]*+)"(?:,|$)')
_BLANKS = re.compile(r"[ \t]*")
_ITEM = re.compile(rf"(?:([a-zA-Z_][a-zA-Z0-9_]*)|{_QUOTED})[ \t]*(?:(=)[ \t]*{_QUOTED}[ \t]*)?")
_ESCAPE = re.compile(r'\\([\\"n])')
_QUERY_ESCAPE = re.compile(r'\\([\\"abfnrtv]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})')
_MEANING = {
    "\\": "\\",
    '"': '"',
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
}


class SeriesTextProblem(ValueError):
    """The text is not a series. `position` is that of the invalid character, from 0."""

    def __init__(self, position: int, reason: str) -> None:
        self.position = position
        self.reason = excerpt(reason)
        super().__init__(self.reason)


def parse_series(text: str, *, query_notation: bool = False, empty: str = "") -> dict[str, str]:
    r"""Label set of the text, `__name__` among it.

    empty           in place of an empty value; "": labels with an empty value are omitted
    query_notation  as in queries: the name may be missing, and text has escapes such as \t and \x1b

    Raises `SeriesTextProblem`.
    """
    usual = _USUAL.fullmatch(text)
    if usual is not None:
        inner = usual[2]
        pairs = _PAIR.findall(inner)
        labels = dict(pairs)
        # All characters of the braces were read, and no label occurs twice.
        covered = sum(len(label) + len(value) + 4 for label, value in pairs)
        if covered == len(inner) + (inner[-1] != ",") and len(labels) == len(pairs):
            if "" in labels.values():
                labels = _filled(labels, empty)
            return {METRIC_NAME: usual[1], **labels}
    labels, end = parse_series_start(text, query_notation=query_notation, empty=empty)
    if end < len(text):
        raise SeriesTextProblem(end, f"unexpected {text[end]!r} behind the series")
    return labels


def parse_series_start(
    text: str, *, query_notation: bool = False, empty: str = ""
) -> tuple[dict[str, str], int]:
    """The series that the text begins with, and the position behind it.

    Raises `SeriesTextProblem`.
    """
    labels: dict[str, str] = {}
    at = 0
    if name := NAME.match(text):
        labels[METRIC_NAME] = name[0]
        at = name.end()
        brace = _skip_blanks(text, at)
    else:
        brace = at
    if text[brace : brace + 1] == "{":
        at = _parse_braces(text, brace + 1, labels, query_notation)
    if METRIC_NAME not in labels and not query_notation:
        raise SeriesTextProblem(0, "a metric name is missing")
    return _filled(labels, empty), at


def _filled(labels: dict[str, str], empty: str) -> dict[str, str]:
    return {label: value or empty for label, value in labels.items() if value or empty}


def unescape(text: str, *, query_notation: bool = False) -> str:
    r"""Undo `\\`, `\"` and `\n` (in queries also `\t`, `\x1b`, …); other backslashes remain."""
    if "\\" not in text:
        return text
    if query_notation:
        return _QUERY_ESCAPE.sub(_query_meaning, text)
    return _ESCAPE.sub(lambda hit: _MEANING[hit[1]], text)


def _query_meaning(hit: re.Match[str]) -> str:
    escape = hit[1]
    return _MEANING.get(escape) or chr(int(escape[1:], 16))


def _skip_blanks(text: str, at: int) -> int:
    blanks = _BLANKS.match(text, at)
    assert blanks is not None
    return blanks.end()


def _parse_braces(text: str, at: int, labels: dict[str, str], query_notation: bool) -> int:
    """Read `a="x",b="y"}` from `at` into `labels`; the position behind the brace."""
    while True:
        at = _skip_blanks(text, at)
        if text[at : at + 1] == "}":
            return at + 1
        item = _ITEM.match(text, at)
        if item is None:
            raise SeriesTextProblem(at, _what_is_wrong(text, at))
        bare, quoted, equals, value = item.groups()
        if equals is None:
            if text[item.end() : item.end() + 1] == "=":
                raise SeriesTextProblem(at, _what_is_wrong(text, at))
            if quoted is None:
                raise SeriesTextProblem(item.end(), f'expected ="…" behind the label {bare}')
            if METRIC_NAME in labels:
                raise SeriesTextProblem(at, "the metric name is given twice")
            labels[METRIC_NAME] = unescape(quoted, query_notation=query_notation)
            if not quoted:
                raise SeriesTextProblem(at, "the metric name is empty")
        else:
            label = bare if bare is not None else unescape(quoted, query_notation=query_notation)
            if label in labels:
                raise SeriesTextProblem(at, f"the label {label} is given twice")
            if not label:
                raise SeriesTextProblem(at, "a label name is empty")
            labels[label] = unescape(value, query_notation=query_notation)
        at = item.end()
        if text[at : at + 1] == ",":
            at += 1
        elif text[at : at + 1] != "}":
            raise SeriesTextProblem(at, "expected , or } between labels")


def _what_is_wrong(text: str, at: int) -> str:
    if at >= len(text):
        return "the { is never closed"
    named = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*[ \t]*=[ \t]*").match(text, at)
    if named and text[named.end() : named.end() + 1] != '"':
        return "a label value must be in double quotes"
    if '"' in text[at:]:
        return "this is no label, or its quotes are not closed"
    return f"expected a label name, found {text[at]!r}"
