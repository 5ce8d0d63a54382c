"""Candidates for a place, the best first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from novaql.complete.context import Matched, Place, Situation, situation
from novaql.language import AGGREGATORS, FUNCTIONS
from novaql.tsdb.model.labels import METRIC_NAME
from novaql.tsdb.model.matchers import Matcher, MatchOp, compile_regex
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS, Source

_WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ESCAPES = re.compile(r'[\\"]')
DURATIONS = ("1m", "5m", "10m", "30m", "1h", "6h", "1d", "7d")
OPERATORS = {
    "and": "elements that have a match on the right",
    "or": "all of the left, and of the right what has no match",
    "unless": "elements that have no match on the right",
    "offset": "look so far back",
    "by": "keep these labels in an aggregation",
    "without": "drop these labels in an aggregation",
    "on": "match by these labels only",
    "ignoring": "match by all labels but these",
    "group_left": "many elements on the left match one on the right",
    "group_right": "many elements on the right match one on the left",
    "bool": "give 0 or 1 instead of filtering",
    "atan2": "angle of the two values, in radians",
}


class Kind(StrEnum):
    """The kind of a completion."""

    METRIC = "metric"
    FUNCTION = "function"
    AGGREGATOR = "aggregator"
    LABEL = "label"
    VALUE = "value"
    KEYWORD = "keyword"
    DURATION = "duration"


@dataclass(frozen=True, slots=True)
class Completion:
    """A completion at the cursor.

    text        what to put there
    start, end  the characters it replaces
    detail      type or signature, in a few words
    doc         what it means; "": unknown
    """

    kind: Kind
    text: str
    start: int
    end: int
    detail: str = ""
    doc: str = ""


def complete(
    text: str,
    cursor: int | None = None,
    source: Source | None = None,
    *,
    start_ms: int = MIN_TIME_MS,
    end_ms: int = MAX_TIME_MS,
    limit: int = 50,
) -> list[Completion]:
    """Return completions at a cursor, the best first, at most `limit`.

    cursor            in characters; None: the end of the text
    source            where metrics, labels and values are looked up; None: only the language
    start_ms, end_ms  series without samples in this time are not offered
    """
    at = len(text) if cursor is None else max(0, min(cursor, len(text)))
    here = situation(text, at)
    looking = _Data(source, start_ms, end_ms)
    best: list[tuple[tuple[int, int, str], Completion]] = []
    for found in _candidates(here, at, looking):
        rank = _rank(here.typed, found)
        if rank is not None:
            best.append((rank, found))
    return [found for _, found in sorted(best, key=lambda pair: pair[0])[:limit]]


class _Data:
    """Looks things up; nothing without a source."""

    def __init__(self, source: Source | None, start_ms: int, end_ms: int) -> None:
        self._source, self._start_ms, self._end_ms = source, start_ms, end_ms

    def values(self, label: str, matchers: tuple[Matcher, ...] = ()) -> list[str]:
        if self._source is None:
            return []
        sets = [matchers] if matchers else []
        return self._source.label_values(label, sets, self._start_ms, self._end_ms)

    def labels(self, matchers: tuple[Matcher, ...] = ()) -> list[str]:
        if self._source is None:
            return []
        sets = [matchers] if matchers else []
        return self._source.label_names(sets, self._start_ms, self._end_ms)

    def about(self, metric: str) -> tuple[str, str]:
        """Type and help of a metric."""
        known = {} if self._source is None else self._source.metadata()
        found = known.get(metric)
        return ("", "") if found is None else (found.type, found.help)


def _rank(typed: str, found: Completion) -> tuple[int, int, str] | None:
    """Smaller is better: what begins with what was typed, then what contains it."""
    order = list(Kind).index(found.kind)
    wanted, name = typed.lower(), found.text.lower().strip('"')
    if found.text == typed:
        return (0, order, name)
    if name.startswith(wanted):
        return (1, order, name)
    if wanted in name:
        return (2, order, name)
    return None


def _candidates(here: Situation, end: int, data: _Data) -> Iterator[Completion]:
    place = here.place
    if place is Place.EXPRESSION:
        yield from _expressions(here.start, end, data)
    elif place is Place.OPERATOR:
        # While a word is being typed, it may still be the operand's own name.
        for word, doc in OPERATORS.items():
            yield Completion(Kind.KEYWORD, word, here.start, end, "", doc)
        if here.typed:
            yield from _expressions(here.start, end, data)
    elif place is Place.DURATION:
        for duration in DURATIONS:
            yield Completion(Kind.DURATION, duration, here.start, end)
    elif place in (Place.LABEL_NAME, Place.GROUPING):
        known = data.labels(_matchers(here))
        names = known or ["le", "job", "instance"]
        for name in names:
            if name != METRIC_NAME:
                yield Completion(Kind.LABEL, _label_text(name), here.start, end)
    elif place is Place.LABEL_VALUE and here.label is not None:
        for value in data.values(here.label, _matchers(here)):
            yield Completion(Kind.VALUE, _escaped(value), here.start, end)


def _expressions(start: int, end: int, data: _Data) -> Iterator[Completion]:
    for name in data.values(METRIC_NAME):
        kind, doc = data.about(name)
        text = name if _WORD.fullmatch(name) else f'{{"{_escaped(name)}"}}'
        yield Completion(Kind.METRIC, text, start, end, kind, doc)
    for name, signature in FUNCTIONS.items():
        yield Completion(Kind.FUNCTION, name, start, end, str(signature), signature.doc)
    for name, aggregator in AGGREGATORS.items():
        detail = aggregator.form_of("instant vector")
        yield Completion(Kind.AGGREGATOR, name, start, end, detail, aggregator.doc)


def _label_text(name: str) -> str:
    return name if _LABEL.fullmatch(name) else f'"{_escaped(name)}"'


def _escaped(text: str) -> str:
    return _ESCAPES.sub(r"\\\g<0>", text)


def _matchers(here: Situation) -> tuple[Matcher, ...]:
    """Return the complete matchers of the selector around the cursor."""
    found = [] if here.metric is None else [Matcher(METRIC_NAME, MatchOp.EQUAL, here.metric)]
    found += _readable(here.matchers)
    # A source requires one matcher that does not match the empty string.
    return tuple(found) if any(not m.matches("") for m in found) else ()


def _readable(matchers: Iterable[Matched]) -> Iterator[Matcher]:
    for matched in matchers:
        op = MatchOp(matched.op)
        if op.is_regex:
            try:
                compile_regex(matched.value)
            except ValueError:
                continue
        yield Matcher(matched.label, op, matched.value)
