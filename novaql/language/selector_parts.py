"""The conditions in a selector's braces."""

from __future__ import annotations

from lark import Token

from novaql.language.fault import Fault, brief
from novaql.language.literals import is_utf8, unquote
from novaql.language.metric_names import METRIC_NAME, ONE_OF_NAMES, named_twice
from novaql.language.parsed import Braces, Condition, between, span_of
from novaql.tsdb.model.matchers import Matcher, MatchOp, compile_regex


def plain_text(token: Token, what: str) -> str:
    """Value of a STRING that names or matches something, which must be UTF-8."""
    text = unquote(token.value, span_of(token).start)
    if not is_utf8(text):
        raise Fault(f"{what} must be valid UTF-8", span_of(token))
    return text


def label_name(token: Token) -> str:
    """Return the name of a LABEL, or of a STRING if the name is quoted."""
    if token.type != "STRING":
        return str(token)
    name = plain_text(token, "a label name")
    if not name:
        raise Fault("a label name cannot be empty", span_of(token))
    return name


def metric_name(token: Token) -> Condition:
    """A quoted metric name on its own."""
    name = plain_text(token, "a metric name")
    if not name:
        raise Fault("a metric name cannot be empty", span_of(token))
    return Condition(Matcher(METRIC_NAME, MatchOp.EQUAL, name), True, span_of(token))


def condition(name: Token, op: Token, value: Token) -> Condition:
    """`name op "value"`. A pattern must be one that RE2 takes."""
    matcher = Matcher(label_name(name), MatchOp(op.value), plain_text(value, "a label value"))
    if matcher.op.is_regex:
        try:
            compile_regex(matcher.value)
        except ValueError as problem:
            reason = brief(str(problem), 200)
            message = f'bad regular expression for the label "{brief(matcher.name)}": {reason}'
            raise Fault(message, span_of(value)) from None
    return Condition(matcher, False, between(name, value))


def name_and_matchers(
    outside: Token | None, braces: Braces | None
) -> tuple[str | None, tuple[Matcher, ...]]:
    """A selector's name and its other conditions. Raises `Fault` if there are two names."""
    name = None if outside is None else outside.value
    matchers: list[Matcher] = []
    for given in braces.conditions if braces else ():
        if not given.bare:
            matchers.append(given.matcher)
            continue
        if name is not None:
            raise Fault(named_twice(name, given.matcher.value), given.span, suggestion=ONE_OF_NAMES)
        name = given.matcher.value
    return name, tuple(matchers)
