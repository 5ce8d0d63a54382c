"""Candidates for a place, the best first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from novaql.complete.context import Matched, Place, Situation, situation
from novaql.complete.ranking import best
from novaql.complete.words import DURATIONS, KEYWORDS, LABELS, MOMENTS, parameter_at, texts_for
from novaql.fast_dataclass import dataclass
from novaql.language import AGGREGATORS, FUNCTIONS, ValueType
from novaql.language.pipes import operand_place
from novaql.language.signatures import LIFTED
from novaql.tsdb.model.labels import METRIC_NAME
from novaql.tsdb.model.matchers import Matcher, MatchOp, compile_regex
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS, Metadata, Source

_WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ESCAPES = re.compile(r'[\\"]')
_ESCAPED = re.compile(r'\\([\\"])')
_FUNCTION_NAMES, _AGGREGATOR_NAMES = sorted(FUNCTIONS), sorted(AGGREGATORS)


class Kind(StrEnum):
    """The kind of a completion. Of equally good ones, the first kind is first."""

    NAME = "name"  # of `let`
    METRIC = "metric"
    FUNCTION = "function"
    AGGREGATOR = "aggregator"
    LABEL = "label"
    VALUE = "value"
    KEYWORD = "keyword"
    DURATION = "duration"
    TEXT = "text"  # that a function takes


_ORDER = {kind: order for order, kind in enumerate(Kind)}


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
    typed = _ESCAPED.sub(r"\1", here.typed)
    found: list[tuple[tuple[int, int, bool, str], Completion]] = []
    for offer in _offers(here, _Data(source, start_ms, end_ms)):
        order = _ORDER[offer.kind]
        for (rank, lower), name in best(offer.names, typed, limit):
            text, detail, doc = offer.shown(name)
            completion = Completion(offer.kind, text, here.start, at, detail, doc)
            found.append(((rank, order, text.startswith("{"), lower), completion))
    found.sort(key=lambda one: one[0])
    return [completion for _, completion in found[:limit]]


@dataclass(frozen=True, slots=True)
class _Offer:
    """Names of one kind, in order, and how one is shown.

    shown  text, detail and doc of a name
    """

    kind: Kind
    names: Sequence[str]
    shown: Callable[[str], tuple[str, str, str]] = lambda name: (name, "", "")


class _Data:
    """Looks up names and values; without a source, all look-ups are empty."""

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

    def about(self) -> Mapping[str, Metadata]:
        """Type and help of metrics."""
        return {} if self._source is None else self._source.metadata()


def _offers(here: Situation, data: _Data) -> Iterator[_Offer]:
    place = here.place
    if place in (Place.EXPRESSION, Place.OPERATOR):
        yield _keywords(here)
        # While a word is being typed, it may still be the operand's own name.
        if place is Place.EXPRESSION or here.typed:
            yield from _operands(here, data)
    elif place is Place.STAGE:
        yield from _stages(here)
    elif place is Place.DURATION:
        yield _Offer(Kind.DURATION, DURATIONS)
        yield _Offer(Kind.NAME, sorted(here.names))
    elif place is Place.MOMENT:
        yield _Offer(Kind.KEYWORD, sorted(MOMENTS), lambda name: (name, "", MOMENTS[name]))
    elif place in (Place.LABEL_NAME, Place.GROUPING):
        yield _labels(data.labels(_matchers(here)) or ["instance", "job", "le"])
    elif place is Place.LABEL_VALUE and here.label is not None:
        values = data.values(here.label, _matchers(here))
        yield _Offer(Kind.VALUE, values, lambda value: (_escaped(value), "", ""))
    elif place is Place.TEXT and here.call is not None:
        function, parameter = here.call[0], parameter_at(*here.call)
        yield _Offer(Kind.TEXT, texts_for(function, parameter))
        if parameter in LABELS:
            yield _Offer(Kind.LABEL, data.labels())


def _keywords(here: Situation) -> _Offer:
    return _Offer(Kind.KEYWORD, sorted(here.keywords), lambda word: (word, "", KEYWORDS[word]))


def _labels(names: Sequence[str]) -> _Offer:
    known = [name for name in names if name != METRIC_NAME]
    return _Offer(Kind.LABEL, known, lambda name: (_label_text(name), "", ""))


def _operands(here: Situation, data: _Data) -> Iterator[_Offer]:
    yield _Offer(Kind.NAME, sorted(here.names))
    about = data.about()

    def metric(name: str) -> tuple[str, str, str]:
        known = about.get(name)
        text = name if _WORD.fullmatch(name) else f'{{"{_escaped(name)}"}}'
        return (text, "", "") if known is None else (text, known.type, known.help)

    yield _Offer(Kind.METRIC, data.values(METRIC_NAME), metric)
    yield _Offer(Kind.FUNCTION, _FUNCTION_NAMES, _function)
    yield _aggregators()


def _aggregators() -> _Offer:
    return _Offer(Kind.AGGREGATOR, _AGGREGATOR_NAMES, _aggregator)


def _stages(here: Situation) -> Iterator[_Offer]:
    """Completions after `|>`: functions and aggregators whose first vector has the type of the
    piped value."""
    ranged, vectors = [], []
    for name in _FUNCTION_NAMES:
        kind = _operand_type(name)
        if kind is ValueType.MATRIX or (here.ranged and name in LIFTED):
            ranged.append(name)
        elif kind is ValueType.VECTOR:
            vectors.append(name)
    if here.ranged:
        yield _Offer(Kind.FUNCTION, ranged, _function)
        return
    yield _Offer(Kind.NAME, sorted(here.names))
    yield _Offer(Kind.FUNCTION, vectors, _function)
    yield _Offer(Kind.FUNCTION, ranged, _function)  # with an automatic window
    yield _aggregators()


def _operand_type(name: str) -> ValueType | None:
    signature = FUNCTIONS[name]
    place = operand_place(name, signature.fewest_arguments)
    return None if place is None else signature.argument_type(place, len(signature.arguments))


def _function(name: str) -> tuple[str, str, str]:
    return name, str(FUNCTIONS[name]), FUNCTIONS[name].doc


def _aggregator(name: str) -> tuple[str, str, str]:
    return name, AGGREGATORS[name].form_of("instant vector"), AGGREGATORS[name].doc


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
