"""Matchers whose patterns are valid."""

from __future__ import annotations

from novaql.language.fault import Fault, brief
from novaql.span import Span
from novaql.tsdb.model.matchers import Matcher, MatchOp, compile_regex

MOST_ALTERNATIVES = 1000
"""Alternatives of a selector with `or`."""


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
