"""The kind of place that a cursor is in, by the text before it.

The text is unfinished, so it cannot be parsed. One pass over its tokens records the open brackets
and their contents.
"""

from __future__ import annotations

import re
from dataclasses import field
from enum import StrEnum

from novaql.fast_dataclass import dataclass
from novaql.language import AGGREGATORS

_TOKEN = re.compile(
    r"""(?P<blank>\s+|\#[^\n]*)
      | (?P<string>"(?:[^"\\\n]++|\\.)*+(?:"|(?=\n))|'(?:[^'\\\n]++|\\.)*+(?:'|(?=\n))|`[^`]*`)
      | (?P<open_string>"(?:[^"\\\n]++|\\.)*+\\?$|'(?:[^'\\\n]++|\\.)*+\\?$|`[^`]*$)
      | (?P<number>[0-9][0-9a-zA-Z_.]*|\.[0-9][0-9a-zA-Z_.]*)
      | (?P<word>[a-zA-Z_:][a-zA-Z0-9_:]*)
      | (?P<sign>\|>|=~|!~|!=|==|>=|<=|</|>/|.)""",
    re.VERBOSE | re.DOTALL,
)
_MATCHING = frozenset({"on", "ignoring"})
_GROUPING = _MATCHING | {"by", "without", "group_left", "group_right"}
_SETS = frozenset({"and", "or", "unless", "default", "if", "ifnot"})
_MATCHERS = frozenset({"=", "!=", "=~", "!~"})
_COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
_ARITHMETIC = frozenset({"+", "-", "*", "/", "%", "^"})
_NOTHING_BEHIND = frozenset({"keep_metric_names", "anchored", "smoothed"})


class Place(StrEnum):
    """The places that a cursor can be in."""

    EXPRESSION = "expression"  # an operand is expected
    OPERATOR = "operator"  # an operand is complete
    STAGE = "stage"  # behind |>
    LABEL_NAME = "label name"  # of a matcher
    LABEL_VALUE = "label value"  # inside quotes, behind a matcher's sign
    GROUPING = "grouping"  # a label name in by (…), on (…)
    DURATION = "duration"  # in [ ] or behind offset
    MOMENT = "moment"  # behind @
    NUMBER = "number"  # behind limit
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
    names     names of `let` that are in scope
    keywords  words that are valid here beside what the place expects
    ranged    in STAGE: whether a range is in front of it
    call      in TEXT: the function around the cursor, and the number of the argument, from 0
    """

    place: Place
    start: int
    typed: str
    metric: str | None = None
    label: str | None = None
    matchers: tuple[Matched, ...] = ()
    names: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    ranged: bool = False
    call: tuple[str, int] | None = None


@dataclass(slots=True)
class _Bracket:
    """An open bracket and what has been read inside it."""

    sign: str
    before: str | None  # the word in front of it
    behind: str = ""  # what the operand in front of it was made of
    label: str | None = None
    op: str | None = None
    matchers: list[Matched] = field(default_factory=list)
    commas: int = 0
    words: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Reader:
    """The context that follows from the tokens before the cursor.

    place     what is expected next
    word      the last word, if it is the last token
    behind    what the last operand was made of: "aggregate", "call", "range", …
    operator  the operator or keyword in front of the cursor, if nothing is behind it
    closed    the bracket that was closed last, if it is the last token
    """

    brackets: list[_Bracket] = field(default_factory=list)
    place: Place = Place.EXPRESSION
    word: str | None = None
    behind: str = ""
    operator: str = ""
    closed: _Bracket | None = None
    names: list[str] = field(default_factory=list)
    lets: int = 0

    @property
    def inside(self) -> _Bracket | None:
        return self.brackets[-1] if self.brackets else None

    def take(self, kind: str, piece: str) -> None:
        """Add one complete token."""
        word, closed = self.word, self.closed
        self.word = self.closed = None
        inside = self.inside
        if kind == "sign" and piece in "()" and inside is not None and inside.sign == "{":
            pass  # {(a="1" or b="2"), …}
        elif kind == "sign" and piece in "([{":
            grouped = closed is not None and (closed.before or "").lower() in ("by", "without")
            self.brackets.append(_Bracket(piece, "sum" if grouped else word, self.behind))
            self.place, self.operator = Place.EXPRESSION, ""
        elif kind == "sign" and piece in ")]}":
            self._close()
        elif inside is not None and inside.sign == "{":
            _in_braces(inside, kind, piece)
        elif kind == "word":
            self._take_word(piece, closed)
        elif kind in ("number", "string"):
            self.place, self.behind, self.operator = Place.OPERATOR, "", ""
        else:
            self._take_sign(piece, word, closed)

    def _close(self) -> None:
        closed = self.brackets.pop() if self.brackets else None
        before = "" if closed is None else (closed.before or "").lower()
        self.closed, self.operator = closed, ""
        if closed is not None and before in ("by", "without"):
            after = closed.behind == "arguments"
            self.place = Place.OPERATOR if after else Place.EXPRESSION
            self.behind = "aggregate"
        elif before in _GROUPING:
            self.place, self.operator = Place.EXPRESSION, before
        elif closed is not None and closed.sign == "[":
            self.place, self.behind = Place.OPERATOR, "range"
        else:
            self.place = Place.OPERATOR
            called = closed is not None and closed.sign == "(" and before
            self.behind = ("arguments" if before in AGGREGATORS else "call") if called else ""

    def _take_word(self, piece: str, closed: _Bracket | None) -> None:
        self.word = piece
        lower = piece.lower()
        if self.inside is not None:
            self.inside.words.append(piece)
        if lower == "let" and self.place is Place.EXPRESSION:
            self.lets += 1
        if lower == "in" and self.lets and self.place is Place.OPERATOR:
            self.lets -= 1
            self.place, self.operator, self.word = Place.EXPRESSION, "", None
        elif lower in _SETS or lower == "atan2":
            self.place, self.operator = Place.EXPRESSION, lower
        elif lower in _GROUPING or lower in ("bool", "offset", "limit"):
            self.place = Place.EXPRESSION
            if lower == "bool":
                self.operator = "bool"
        elif lower in _NOTHING_BEHIND and closed is not None:
            self.place, self.behind = Place.OPERATOR, ""
        else:
            self.place, self.operator = Place.OPERATOR, ""
            self.behind = "aggregator" if lower in AGGREGATORS else "word"

    def _take_sign(self, piece: str, word: str | None, closed: _Bracket | None) -> None:
        inside = self.inside
        grouping = inside is not None and (inside.before or "").lower() in _GROUPING
        if piece == "=" and not grouping:
            if word is not None:
                self.names.append(word)
            elif closed is not None and closed.sign == "(" and closed.before:
                self.names += [closed.before, *closed.words]
        if piece == "," and inside is not None:
            inside.commas += 1
        ranged = self.behind == "range"
        self.place, self.operator = Place.EXPRESSION, piece
        if piece == "|>":
            self.place = Place.STAGE
            self.behind = "range" if ranged else ""
        elif piece == "@":
            self.place = Place.MOMENT


def situation(text: str, cursor: int) -> Situation:
    """Return the context of the cursor, a position in characters. Ignores the text after it."""
    before = text[:cursor]
    read = _Reader()
    tokens = [m for m in _TOKEN.finditer(before) if m.lastgroup is not None]
    for number, token in enumerate(tokens):
        kind, piece = token.lastgroup or "", token.group()
        last = number == len(tokens) - 1
        if kind == "blank":
            if last and piece.startswith("#"):
                return Situation(Place.COMMENT, cursor, "")
            continue
        if kind == "open_string":
            return _in_string(read, token.start() + 1, piece[1:])
        if last and kind in ("word", "number") and token.end() == len(before):
            return _typing(read, token.start(), piece)
        read.take(kind, piece)
    return _typing(read, len(before), "")


def _in_braces(inside: _Bracket, kind: str, piece: str) -> None:
    if kind == "word" and piece.lower() == "or" and inside.label is None and inside.matchers:
        inside.matchers.clear()  # the next alternative
    elif kind == "word" or (kind == "string" and inside.op is None):
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


def _in_string(read: _Reader, start: int, typed: str) -> Situation:
    inside = read.inside
    if inside is None or inside.sign != "{":
        call = None
        if inside is not None and inside.sign == "(" and inside.before:
            call = inside.before, inside.commas
        return Situation(Place.TEXT, start, typed, call=call)
    return _of_braces(inside, start, typed)


def _of_braces(inside: _Bracket, start: int, typed: str) -> Situation:
    matchers = tuple(inside.matchers)
    if inside.op is not None:  # perhaps a value without its quote yet
        return Situation(Place.LABEL_VALUE, start, typed, inside.before, inside.label, matchers)
    return Situation(Place.LABEL_NAME, start, typed, inside.before, None, matchers)


def _typing(read: _Reader, start: int, typed: str) -> Situation:
    cursor = start + len(typed)
    inside, place, word = read.inside, read.place, (read.word or "").lower()
    if inside is not None and inside.sign == "{":
        return _of_braces(inside, start, typed)
    if inside is not None and inside.sign == "[":
        typed = typed[typed.rfind(":") + 1 :]  # the tokens have `:` in words
        return Situation(Place.DURATION, cursor - len(typed), typed)
    if inside is not None and (inside.before or "").lower() in _GROUPING:
        return Situation(Place.GROUPING, start, typed)
    if word == "offset":
        return Situation(Place.DURATION, start, typed)
    if word == "limit" and place is Place.EXPRESSION:
        return Situation(Place.NUMBER, start, typed)
    return Situation(
        place,
        start,
        typed,
        names=tuple(dict.fromkeys(reversed(read.names))),
        keywords=_keywords(read),
        ranged=read.behind == "range",
    )


def _keywords(read: _Reader) -> tuple[str, ...]:
    """Words that are valid at an expression or behind an operand."""
    if read.place is Place.OPERATOR:
        behind, words = read.behind, ["and", "or", "unless", "default", "if", "ifnot", "atan2"]
        words += ["|>", "offset", "@"]
        if behind in ("aggregator", "arguments"):
            words = ["by", "without", *words]
        if behind in ("arguments", "aggregate"):
            words.append("limit")
        if behind == "call":
            words.append("keep_metric_names")
        if behind == "word" or (read.closed is not None and read.closed.sign in "{["):
            words += ["anchored", "smoothed"]
        return (*words, "in") if read.lets else tuple(words)
    operator = read.operator
    if operator in _MATCHING:
        return ("group_left", "group_right", "fill", "fill_left", "fill_right")
    if operator in ("group_left", "group_right"):
        return ("prefix", "fill", "fill_left", "fill_right")
    if operator in _COMPARISONS:
        return ("bool", "on", "ignoring")
    if operator in _ARITHMETIC or operator in _SETS or operator in ("atan2", "bool"):
        return ("on", "ignoring")
    return ("let", "with") if operator in ("", "=") and read.place is Place.EXPRESSION else ()
