"""Values of `$name` in a query, inserted as literals, so that a value cannot be anything else."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from novaql.bound_query import BoundQuery
from novaql.errors import ArgumentError, UnknownName
from novaql.language.check import did_you_mean
from novaql.language.parse import MAX_LENGTH
from novaql.span import Span
from novaql.text.labels import quoted
from novaql.text.numbers import number_text
from novaql.text.times import duration_text
from novaql.timeparse import duration_ms, to_ms

Parameters = Mapping[str, Any]

# Texts and comments are skipped, and so are escaped characters of names.
_WORD = re.compile(
    r'"(?:[^"\\\n]++|\\.)*+"?'
    r"|'(?:[^'\\\n]++|\\.)*+'?"
    r"|`[^`]*`?"
    r"|#[^\n]*"
    r"|(?P<word>(?:\w++|\\.)++|[=!]~|[=!]=|[^\w\s$])"
    r"|\$(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)"
)
_OPENING = {"}": "{", "]": "[", ")": "("}
_REGEX_SIGN = re.compile(r"[\\.+*?()|\[\]{}^$]")


class _Place(NamedTuple):
    """Where a parameter is: open brackets, the two words before it, and the text behind it."""

    brackets: Sequence[str]
    before: str
    previous: str
    rest: str


def bind(text: str, parameters: Parameters | None) -> str:
    """Return a query with each `$name` outside of quotes replaced by its value.

    parameters  None: the text as it is. The place of a name decides what a value becomes:

    behind = != =~ !~ in braces   a text, or a whole number. Behind =~ and !~, a text is the regular
                                  expression, and of a list each element matches as it is
    in square brackets, and behind offset
                                  a duration: `"5m"`, a timedelta, seconds
    behind @                      a time, as `query` takes it
    elsewhere                     a text in quotes; a number; of a time or duration the seconds

    Raises `UnknownName` for a name without a value, `ArgumentError` for a value that does not suit
    its place, and for a value that the query does not use.
    """
    return bound(text, parameters).text


def bound(text: str, parameters: Parameters | None) -> BoundQuery:
    """Return what `bind` returns, with the places of the values: `with bound(…) as query` moves the
    places of errors to the text as written."""
    if parameters is None or len(text) > MAX_LENGTH:
        return BoundQuery(text, text)
    if not isinstance(parameters, Mapping):
        raise ArgumentError("params", "is a mapping of names to values")
    parameters = {name: _plain(value) for name, value in parameters.items()}
    pieces, end, used, length = [], 0, set(), len(text)
    values: list[tuple[Span, Span]] = []
    behind = 0  # of the last value, in the new text
    brackets: list[str] = []
    before = previous = ""
    for found in _WORD.finditer(text):
        word, name = found["word"] or "", found["name"]
        if name is not None:
            if name not in parameters:
                span = Span(*found.span())
                near = did_you_mean(name, tuple(map(str, parameters)))
                raise UnknownName(f"params has no {name}", text, span, suggestion=near)
            place = _Place(brackets, before, previous, text[found.end() :])
            try:
                literal = _literal(parameters[name], place)
            except ArgumentError as problem:
                message = str(problem).removeprefix(f"{problem.argument}: ")
                raise ArgumentError("params", f"{name}: {message}") from None
            length += len(literal)
            if length > MAX_LENGTH:
                raise ArgumentError("params", f"the query gets longer than {MAX_LENGTH} characters")
            pieces += [text[end : found.start()], _apart(text, found, literal)]
            begin = behind + len(pieces[-2])
            behind = begin + len(pieces[-1])
            values.append((Span(begin, behind), Span(*found.span())))
            end = found.end()
            used.add(name)
        if word in ("{", "[", "("):
            brackets.append(word)
        elif word in _OPENING and brackets and brackets[-1] == _OPENING[word]:
            brackets.pop()
        if not found[0].startswith("#"):
            before, previous = previous, word
    if unused := [name for name in parameters if name not in used]:
        raise ArgumentError("params", f"the query has no ${unused[0]}")
    return BoundQuery("".join([*pieces, text[end:]]), text, values)


def _apart(text: str, found: re.Match[str], literal: str) -> str:
    """The literal, with a space where it would become a part of a word beside it."""
    joined_left = re.match(r"[\w.\\:]", text[found.start() - 1 : found.start()])
    joined_right = text.startswith(".", found.end())
    return " " * bool(joined_left) + literal + " " * joined_right


def _plain(value: object) -> object:
    """Columns of NumPy, pandas, polars and Arrow as lists; other values as they are."""
    if isinstance(value, np.generic) or not hasattr(value, "__len__"):
        return value
    to_list = getattr(value, "tolist", None) or getattr(value, "to_list", None)
    return to_list() if callable(to_list) else value


def _literal(value: object, place: _Place) -> str:
    if isinstance(value, bool | np.bool_):
        raise ArgumentError("", "is a truth value, which no query has")
    if place.previous in ("=", "!=", "=~", "!~") and "{" in place.brackets:
        return _label_value(value, pattern=place.previous.endswith("~"))
    if isinstance(value, list | tuple | set | frozenset):
        raise ArgumentError("", "is a list, which only =~ and !~ take")
    if isinstance(value, Decimal):
        value = _float_of(value)
    if "[" in place.brackets[-1:] or _is_offset(place):
        return duration_text(duration_ms(value))  # type: ignore[arg-type]  # it checks the type
    if place.previous == "@":
        return number_text(to_ms(value) / 1000)  # type: ignore[arg-type]  # it checks the type
    match value:
        case str():
            return quoted(value)
        case np.timedelta64() | timedelta():
            number = duration_ms(value) / 1000
        case np.datetime64() | datetime() | date():
            number = to_ms(value) / 1000
        case int() | float() | np.integer() | np.floating():
            number = _float_of(value)
        case _:
            raise ArgumentError("", f"is {type(value).__name__}: pass a text, a number or a time")
    literal = number_text(number)
    # -1 ^ 2 would be -(1 ^ 2).
    power = literal.startswith("-") and place.rest.lstrip().startswith("^")
    return f"({literal})" if power else literal


def _float_of(value: Any) -> float:
    """The nearest float of a number of any type."""
    if isinstance(value, Decimal) and value.is_nan():
        return math.nan
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isinf(number) and value not in (math.inf, -math.inf):
        raise ArgumentError("", "is too large for a 64-bit float")
    return number


def _is_offset(place: _Place) -> bool:
    word = place.before if place.previous in ("+", "-") else place.previous
    return word.lower() == "offset"


def _label_value(value: object, *, pattern: bool) -> str:
    if isinstance(value, list | tuple | set | frozenset):
        if not pattern:
            raise ArgumentError("", "is a list, which only =~ and !~ take")
        if not value:
            raise ArgumentError("", "is an empty list")
        each = [_REGEX_SIGN.sub(r"\\\g<0>", _label_text(one)) for one in value]
        return quoted("|".join(each))
    return quoted(_label_text(value))


def _label_text(value: object) -> str:
    if isinstance(value, str | int | np.integer) and not isinstance(value, bool):
        try:
            return str(value)
        except ValueError:  # Python writes no integers of more than 4300 digits
            raise ArgumentError("", "is too long for a label") from None
    raise ArgumentError("", f"is {type(value).__name__}: a label is a text or a whole number")
