"""The conditions in a selector's braces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lark import Token

from novaql.language.ast import Expr, Template, VectorSelector
from novaql.language.checked_matchers import check_alternatives, checked_matcher
from novaql.language.fault import Fault
from novaql.language.literals import unescaped_name, unquote
from novaql.language.metric_names import METRIC_NAME, ONE_OF_NAMES, QUOTED_IN_LISTS, named_twice
from novaql.language.parsed import (
    NOTED,
    Braces,
    Children,
    Condition,
    Conditions,
    Either,
    between,
    span_of,
)
from novaql.span import Span
from novaql.text.unicode import is_utf8
from novaql.tsdb.model.matchers import Matcher, MatchOp


def plain_text(token: Token, what: str) -> str:
    """Value of a STRING that names or matches something, which must be UTF-8."""
    text = unquote(token.value, span_of(token).start)
    if not is_utf8(text):
        raise Fault(f"{what} must be valid UTF-8", span_of(token))
    return text


def plain_name(token: Token) -> str:
    """Return the name of a word, without escapes."""
    if "\\" in token:
        NOTED.note("an escaped name", span_of(token))
        return unescaped_name(token.value, span_of(token))
    if not token.isascii():
        NOTED.note("a letter beyond ASCII in a name", span_of(token))
    return str(token)


def label_name(token: Token) -> str:
    """Return the name of a LABEL, or of a STRING if the name is quoted."""
    if token.type != "STRING":
        return plain_name(token)
    name = plain_text(token, "a label name")
    if not name:
        raise Fault("a label name cannot be empty", span_of(token))
    return name


def listed_label(token: Token) -> str:
    """Return the name of a label in `by (…)`, `on (…)` and their like."""
    if token.type != "STRING" and token.lower() in QUOTED_IN_LISTS:
        NOTED.note("a word of the language in a list of labels", span_of(token))
    return label_name(token)


def metric_name(token: Token) -> Condition:
    """A quoted metric name on its own."""
    name = plain_text(token, "a metric name")
    if not name:
        raise Fault("a metric name cannot be empty", span_of(token))
    return Condition(Matcher(METRIC_NAME, MatchOp.EQUAL, name), True, span_of(token))


def nameless(expr: Expr) -> Expr:
    """Return a selector with its name as a matcher, as the second argument of `info` must have it.

    Other expressions are returned as they are.
    """
    if not isinstance(expr, VectorSelector) or expr.name is None:
        return expr
    name = Matcher(METRIC_NAME, MatchOp.EQUAL, expr.name)
    return replace(expr, name=None, matchers=(name, *expr.matchers))


def condition(name: Token, op: Token, *pieces: Token) -> Condition | Template:
    """`name op "value"`. RE2 must accept a pattern."""
    parts: list[str | VectorSelector] = []
    for piece in pieces:
        if piece.type == "STRING":
            parts.append(plain_text(piece, "a label value"))
        elif piece.type == "LABEL":
            parts.append(VectorSelector(plain_name(piece), span=span_of(piece)))
        elif piece.value != "+":
            raise Fault("texts can be joined with + alone", span_of(piece))
    span = between(name, pieces[-1])
    if len(pieces) > 1 or pieces[0].type == "LABEL":
        joined = len(pieces) > 1
        NOTED.note(
            "joined texts" if joined else "a name in a selector", between(pieces[0], pieces[-1])
        )
    if any(isinstance(part, VectorSelector) for part in parts):
        return Template(tuple(parts), label_name(name), MatchOp(op.value), span=span)
    values = Span(span_of(pieces[0]).start, span.end)
    value = "".join(part for part in parts if isinstance(part, str))
    return Condition(
        checked_matcher(label_name(name), MatchOp(op.value), value, values), False, span
    )


def named_conditions(name: Token) -> Template:
    """The name of conditions that `let` defines."""
    NOTED.note("a name in a selector", span_of(name))
    return Template((VectorSelector(plain_name(name), span=span_of(name)),), span=span_of(name))


def all_of(parts: Children) -> tuple[Conditions, ...]:
    """Sets of conditions: if any one of the sets holds, all parts hold."""
    alternatives: list[list[Condition | Template]] = [[]]
    conditions = 0
    for part in parts:
        if isinstance(part, Token):
            continue
        more = part.alternatives if isinstance(part, Either) else ((part,),)
        conditions = conditions * len(more) + len(alternatives) * sum(map(len, more))
        if len(alternatives) * len(more) > 1:
            check_alternatives(len(alternatives) * len(more), conditions, part.span)
            alternatives = [[*one, *other] for one in alternatives for other in more]
        else:
            alternatives[0] += more[0]
    return tuple(map(tuple, alternatives))


def any_of(children: Children) -> tuple[Conditions, ...]:
    """The alternatives between `or`."""
    for child in children:
        if isinstance(child, Token):
            NOTED.note("or in a selector", span_of(child))
    sets = [alternatives for alternatives in children if not isinstance(alternatives, Token)]
    return tuple(one for alternatives in sets for one in alternatives)


def selector_of(outside: Token | None, braces: Braces | None, span: Span) -> VectorSelector:
    """A selector of its name and its conditions."""
    alternatives = braces.alternatives if braces else ((),)
    if len(alternatives) == 1:
        templates = tuple([c for c in alternatives[0] if isinstance(c, Template)])
        conditions = [c for c in alternatives[0] if isinstance(c, Condition)]
        name, matchers = name_and_matchers(outside, conditions)
        return VectorSelector(name, matchers, templates=templates, span=span)
    sets = []
    for conditions_of_one in alternatives:
        matchers_of_one = []
        for each in conditions_of_one:
            if isinstance(each, Template):
                raise Fault(
                    "names of let cannot be beside or",
                    each.span,
                    suggestion="write what the name means",
                )
            matchers_of_one.append(each.matcher)
        sets.append(tuple(matchers_of_one))
    name = None if outside is None else plain_name(outside)
    return VectorSelector(name, alternatives=tuple(sets), span=span)


def name_and_matchers(
    outside: Token | None, conditions: Sequence[Condition]
) -> tuple[str | None, tuple[Matcher, ...]]:
    """A selector's name and its other conditions. Raises `Fault` if there are two names."""
    name = None if outside is None else plain_name(outside)
    matchers: list[Matcher] = []
    for given in conditions:
        if not given.bare:
            matchers.append(given.matcher)
            continue
        if name is not None:
            raise Fault(named_twice(name, given.matcher.value), given.span, suggestion=ONE_OF_NAMES)
        name = given.matcher.value
    return name, tuple(matchers)
