"""Python values → nodes of the tree: matchers, durations, times, operands."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import TypeAlias

import numpy as np

from novaql.errors import ArgumentError, QueryError
from novaql.fast_dataclass import dataclass
from novaql.language import (
    At,
    Call,
    Duration,
    DurationLiteral,
    DurationParen,
    Expr,
    MatrixSelector,
    Number,
    Text,
    VectorSelector,
    parse,
)
from novaql.selectors import regex_literal
from novaql.timeparse import TimeLike, to_ms
from novaql.tsdb.model.matchers import Matcher, MatchOp, compile_regex

DurationText: TypeAlias = str | int | float | timedelta
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|[smhdwyi]))+|auto")
_AT_TEXT = re.compile(r"\(?\s*(?:start|end)\s*\(|[+-]?[0-9.]+$")


@dataclass(frozen=True, slots=True)
class Pattern:
    """`q.re(…)`: a regular expression that the whole value of a label must match."""

    regex: str


@dataclass(frozen=True, slots=True)
class Not:
    """`q.ne(…)`: anything but this value, these values or this pattern."""

    value: object


def with_matchers(
    selector: VectorSelector, sets: Sequence[Mapping[str, object]], labels: Mapping[str, object]
) -> VectorSelector:
    """Return a selector with more matchers. sets: of several, any one must hold."""
    if not all(isinstance(one, Mapping) for one in sets):
        raise ArgumentError("matchers", "are label=value, or a dict")
    common = (*selector.matchers, *_matchers(labels))
    if len(sets) < 2:
        return replace(selector, matchers=(*common, *(m for one in sets for m in _matchers(one))))
    alternatives = tuple((*common, *_matchers(one)) for one in sets)
    return replace(selector, matchers=(), alternatives=alternatives)


def _matchers(conditions: Mapping[str, object]) -> tuple[Matcher, ...]:
    return tuple(_matcher(name, value) for name, value in conditions.items())


def _matcher(name: str, value: object, *, negated: bool = False) -> Matcher:
    match value:
        case Not(value=inner) if not negated:
            return _matcher(name, inner, negated=True)
        case Pattern(regex=regex):
            return _regex_matcher(name, regex, negated=negated)
        case re.Pattern(pattern=str() as regex, flags=flags):
            letters = "".join(c for c, f in (("i", re.I), ("s", re.S), ("m", re.M)) if flags & f)
            return _regex_matcher(
                name, f"(?{letters}){regex}" if letters else regex, negated=negated
            )
        case None | str() | int() | float() if not isinstance(value, bool):
            op = MatchOp.NOT_EQUAL if negated else MatchOp.EQUAL
            return Matcher(name, op, "" if value is None else str(value))
        case list() | tuple() | set() | frozenset() if value:
            texts = (_matcher(name, one) for one in value)
            plain = [one.value for one in texts if one.op is MatchOp.EQUAL]
            if len(plain) == len(value):
                texts_in_order = sorted(plain) if isinstance(value, set | frozenset) else plain
                return _regex_matcher(
                    name, "|".join(map(regex_literal, texts_in_order)), negated=negated
                )
    raise ArgumentError(
        name, f"a label is compared with texts, numbers, lists, q.re(…) or q.ne(…), not {value!r}"
    )


def _regex_matcher(name: str, regex: str, *, negated: bool) -> Matcher:
    try:
        compile_regex(regex, groups=False)
    except ValueError as problem:
        raise ArgumentError(name, f"{regex!r} is no regular expression of RE2: {problem}") from None
    return Matcher(name, MatchOp.NOT_REGEX if negated else MatchOp.REGEX, regex)


def is_duration(value: object) -> bool:
    """Whether a first argument is a range, such as "5m" or a timedelta."""
    return isinstance(value, timedelta) or (
        isinstance(value, str) and _DURATION.fullmatch(value) is not None
    )


def duration(value: DurationText, *, signed: bool = False) -> Duration:
    """Return a duration: of seconds, a timedelta, or a text such as `5m`, `step() * 2`, `auto`.

    signed  may be 0 or negative, as an offset may
    """
    if isinstance(value, timedelta):
        return DurationLiteral((value // timedelta(microseconds=1)) * 1000)
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return DurationLiteral(round(value * 10**9))
    if isinstance(value, str):
        try:
            match parse(f"x offset ({value}\n)" if signed else f"x[{value}\n]"):
                case VectorSelector(name="x", offset=DurationParen(inner=inner), at=None):
                    return inner
                case MatrixSelector(selector=VectorSelector() as bare, range=length) if (
                    bare == VectorSelector("x")
                ):
                    return length
        except QueryError:
            pass
    raise ArgumentError("duration", f"{value!r} is none; as in '5m', 300 or a timedelta")


def moment(value: TimeLike) -> At:
    """Return the time of `@`: any time of `novaql.to_ms`, or `start()`, `end()`, `(end() - 1h)`."""
    if isinstance(value, str) and _AT_TEXT.match(value):
        try:
            match parse(f"x @ {value}"):
                case VectorSelector(name="x", offset=None, at=At() as at):
                    return at
        except QueryError:
            pass
        raise ArgumentError("at", f"{value!r} is no time; as in 'end()' or '(end() - 1h)'")
    return At(to_ms(value, argument="at"))


def operand(value: object) -> Expr:
    """Return the node of an argument: an expression, a number, a text, a duration, a list."""
    tree = value if isinstance(value, Expr) else getattr(value, "tree", None)
    if isinstance(tree, Expr):
        return tree
    match value:
        case str():
            return Text(value)
        case timedelta():
            return Number(value.total_seconds())
        case list() | tuple() if value:
            return Call("union", tuple(map(operand, value)))
        case bool():
            pass
        case int() | float() | np.integer() | np.floating():
            return Number(float(value))
    known = "an expression, a number, a text, a timedelta or a list"
    if isinstance(value, date):
        known += "; a time is q(seconds)"
    raise ArgumentError("argument", f"must be {known}, not {value!r}")


def names(labels: str | Collection[str]) -> tuple[str, ...]:
    """Return labels: one text is one label."""
    found = (labels,) if isinstance(labels, str) else tuple(labels)
    for label in found:
        if not isinstance(label, str):
            raise ArgumentError("labels", f"{label!r} is no name of a label")
    return found
