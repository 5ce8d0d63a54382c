"""The kind of place that a cursor is in, by the text before it.

The text is unfinished, so it cannot be parsed. One pass over its tokens records the open brackets
and their contents.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

_TOKEN = re.compile(
    r"""(?P<blank>\s+|\#[^\n]*)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
      | (?P<open_string>"(?:[^"\\\n]|\\.)*\\?$|'(?:[^'\\\n]|\\.)*\\?$|`[^`]*$)
      | (?P<number>[0-9][0-9a-zA-Z_.]*|\.[0-9][0-9a-zA-Z_.]*)
      | (?P<word>[a-zA-Z_:][a-zA-Z0-9_:]*)
      | (?P<sign>=~|!~|!=|==|>=|<=|</|>/|.)""",
    re.VERBOSE | re.DOTALL,
)
_GROUPING = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_MATCHERS = frozenset({"=", "!=", "=~", "!~"})


class Place(StrEnum):
    """The places that a cursor can be in."""

    EXPRESSION = "expression"  # an operand is wanted
    OPERATOR = "operator"  # an operand is complete
    LABEL_NAME = "label name"  # of a matcher
    LABEL_VALUE = "label value"  # inside quotes, behind a matcher's sign
    GROUPING = "grouping"  # a label name in by (…), on (…)
    DURATION = "duration"  # in [ ] or behind offset
    COMMENT = "comment"
    TEXT = "text"  # inside another string


@dataclass(frozen=True, slots=True)
class Matched:
    """A complete matcher in the braces around the cursor."""

    label: str
    op: str
    value: str


@dataclass(frozen=True, slots=True)
class Situation:
    """The place that the cursor is in.

    start     where what is being typed begins
    typed     the text from there to the cursor, without its opening quote
    metric    metric of the selector that the cursor is in, if it has been named
    label     in LABEL_VALUE: the label
    matchers  matchers of that selector that are complete
    """

    place: Place
    start: int
    typed: str
    metric: str | None = None
    label: str | None = None
    matchers: tuple[Matched, ...] = ()


@dataclass(slots=True)
class _Bracket:
    """An open bracket and what has been read inside it."""

    sign: str
    before: str | None  # the word in front of it
    label: str | None = None
    op: str | None = None
    matchers: list[Matched] = field(default_factory=list)


def situation(text: str, cursor: int) -> Situation:
    """Return the context of the cursor, a position in characters. Ignores the text after it."""
    before = text[:cursor]
    brackets: list[_Bracket] = []
    place, word = Place.EXPRESSION, None  # what is wanted next; the last word, if it is the last
    tokens = [m for m in _TOKEN.finditer(before) if m.lastgroup is not None]
    for number, token in enumerate(tokens):
        kind, piece = token.lastgroup or "", token.group()
        last = number == len(tokens) - 1
        if kind == "blank":
            if last and piece.startswith("#"):
                return Situation(Place.COMMENT, cursor, "")
            continue
        if kind == "open_string":
            return _in_string(brackets, token.start() + 1, piece[1:])
        if last and kind in ("word", "number") and token.end() == len(before):
            return _typing(brackets, place, word, token.start(), piece)
        place, word = _step(brackets, place, word, kind, piece)
    return _typing(brackets, place, word, len(before), "")


def _step(
    brackets: list[_Bracket], place: Place, word: str | None, kind: str, piece: str
) -> tuple[Place, str | None]:
    """Take one finished token in; what is wanted after it, and the word that it was."""
    inside = brackets[-1] if brackets else None
    if piece in "([{" and kind == "sign":
        brackets.append(_Bracket(piece, word))
        return Place.EXPRESSION, None
    if piece in ")]}" and kind == "sign":
        closed = brackets.pop() if brackets else None
        grouping = closed is not None and (closed.before or "").lower() in _GROUPING
        return (Place.EXPRESSION if grouping else Place.OPERATOR), None
    if inside is not None and inside.sign == "{":
        _in_braces(inside, kind, piece)
        return place, None
    if kind == "word":
        lower = piece.lower()
        if lower in _GROUPING or lower in ("and", "or", "unless", "bool", "atan2", "offset"):
            return Place.EXPRESSION, lower
        return Place.OPERATOR, piece
    if kind in ("number", "string"):
        return Place.OPERATOR, None
    return Place.EXPRESSION, None


def _in_braces(inside: _Bracket, kind: str, piece: str) -> None:
    if kind == "word" or (kind == "string" and inside.op is None):
        inside.label = piece if kind == "word" else piece[1:-1]
    elif kind == "sign" and piece in _MATCHERS:
        inside.op = piece
    elif kind == "string" and inside.label is not None and inside.op is not None:
        inside.matchers.append(Matched(inside.label, inside.op, piece[1:-1]))
        inside.label = inside.op = None
    elif piece == ",":
        if inside.label is not None and inside.op is None:  # {"a.name"}: the metric
            inside.before = inside.label
        inside.label = inside.op = None


def _in_string(brackets: list[_Bracket], start: int, typed: str) -> Situation:
    inside = brackets[-1] if brackets else None
    if inside is None or inside.sign != "{":
        return Situation(Place.TEXT, start, typed)
    if inside.label is not None and inside.op is not None:
        return Situation(
            Place.LABEL_VALUE, start, typed, inside.before, inside.label, tuple(inside.matchers)
        )
    return Situation(Place.LABEL_NAME, start, typed, inside.before, None, tuple(inside.matchers))


def _typing(
    brackets: list[_Bracket], place: Place, word: str | None, start: int, typed: str
) -> Situation:
    inside = brackets[-1] if brackets else None
    if inside is not None and inside.sign == "{":
        if inside.op is not None:  # a value without its quote yet
            return Situation(
                Place.LABEL_VALUE, start, typed, inside.before, inside.label, tuple(inside.matchers)
            )
        return Situation(
            Place.LABEL_NAME, start, typed, inside.before, None, tuple(inside.matchers)
        )
    if inside is not None and inside.sign == "[":
        return Situation(Place.DURATION, start, typed)
    if inside is not None and (inside.before or "").lower() in _GROUPING:
        return Situation(Place.GROUPING, start, typed)
    if word == "offset":
        return Situation(Place.DURATION, start, typed)
    return Situation(place, start, typed)
