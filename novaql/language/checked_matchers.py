"""Matchers whose patterns are valid."""

from __future__ import annotations

from novaql.language.fault import Fault, brief
from novaql.span import Span
from novaql.tsdb.model.matchers import Matcher, MatchOp, compile_regex

MOST_ALTERNATIVES = 1000
"""Alternatives of a selector with `or`, where conditions in parentheses are multiplied."""

MOST_CONDITIONS = 20_000
"""Conditions of all these alternatives. One beside the parentheses counts for each."""


def checked_matcher(name: str, op: MatchOp, value: str, span: Span) -> Matcher:
    """Return the matcher. Raises `Fault` if RE2 rejects its pattern."""
    matcher = Matcher(name, op, value)
    if op.is_regex:
        try:
            compile_regex(value, groups=False)
        except ValueError as problem:
            reason = brief(str(problem), 200)
            message = f'bad regular expression for the label "{brief(name)}": {reason}'
            raise Fault(message, span) from None
    return matcher


def check_alternatives(alternatives: int, conditions: int, span: Span) -> None:
    """Raise `Fault` if a selector would have too many alternatives, or conditions in all of them.

    Called before they are made.
    """
    if alternatives > MOST_ALTERNATIVES:
        raise Fault(f"the selector has more than {MOST_ALTERNATIVES} alternatives", span)
    check_conditions(conditions, span)


def check_conditions(conditions: int, span: Span) -> None:
    """Raise `Fault` if the alternatives of a selector would have too many conditions."""
    if conditions > MOST_CONDITIONS:
        raise Fault(
            f"the alternatives of the selector have more than {MOST_CONDITIONS} conditions", span
        )
