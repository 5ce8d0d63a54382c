"""Names of `let` in the braces of selectors."""

from __future__ import annotations

from dataclasses import replace

from novaql.errors import TypeProblem, UnknownName
from novaql.language.ast import Expr, Paren, Template, Text, VectorSelector
from novaql.language.checked_matchers import (
    check_alternatives,
    check_conditions,
    checked_matcher,
)
from novaql.language.expand_durations import Lookup
from novaql.language.fault import Fault, brief
from novaql.language.metric_names import METRIC_NAME
from novaql.tsdb.model.matchers import Matcher, MatchOp


def resolved(selector: VectorSelector, look_up: Lookup) -> VectorSelector:
    """Return a selector with the values of the names in its braces. Raises `Fault`."""
    tree = replace(selector, templates=())
    for template in selector.templates:
        if template.name is None or template.op is None:
            (name,) = template.parts
            assert isinstance(name, VectorSelector)
            tree = _with_conditions(tree, _selector_of(name, look_up))
        else:
            value = "".join(_text_of(part, template, look_up) for part in template.parts)
            matcher = checked_matcher(template.name, template.op, value, template.span)
            tree = replace(tree, matchers=(*tree.matchers, matcher))
    return tree


def merged(found: Expr, more: VectorSelector) -> VectorSelector:
    """Return the value of a name, a selector, with the conditions written behind the name."""
    selector = _unwrapped(found)
    if not isinstance(selector, VectorSelector):
        raise Fault(
            f"{brief(more.name or '')} is no selector, so that no matchers can follow it",
            more.span,
            kind=TypeProblem,
        )
    merged_one = _with_conditions(selector, replace(more, name=None))
    anchored, smoothed = more.anchored or selector.anchored, more.smoothed or selector.smoothed
    return replace(merged_one, anchored=anchored, smoothed=smoothed, span=more.span)


def _with_conditions(selector: VectorSelector, more: VectorSelector) -> VectorSelector:
    """Both sets of conditions: alternatives of both sides are multiplied."""
    matchers = (*selector.matchers, *more.matchers)
    if more.name is not None:
        matchers = (*matchers, Matcher(METRIC_NAME, MatchOp.EQUAL, more.name))
    alternatives = selector.alternatives or more.alternatives
    if selector.alternatives and more.alternatives:
        one, other = selector.alternatives, more.alternatives
        conditions = sum(map(len, one)) * len(other) + sum(map(len, other)) * len(one)
        check_alternatives(len(one) * len(other), conditions, more.span)
        alternatives = tuple((*mine, *theirs) for mine in one for theirs in other)
    if matchers and alternatives:
        conditions = len(matchers) * len(alternatives) + sum(map(len, alternatives))
        check_conditions(conditions, more.span)
    return replace(selector, matchers=matchers, alternatives=alternatives)


def _unwrapped(expr: Expr | None) -> Expr | None:
    while isinstance(expr, Paren):
        expr = expr.inner
    return expr


def _selector_of(name: VectorSelector, look_up: Lookup) -> VectorSelector:
    found = _unwrapped(look_up(name))
    shown = brief(name.name or "")
    if found is None:
        raise Fault(
            f'an operator such as = must follow the label "{shown}"',
            name.span,
            kind=UnknownName,
            suggestion=f'as in {{{shown}="…"}}; let can name conditions, too',
        )
    if not isinstance(found, VectorSelector):
        raise Fault(f"{shown} is no set of conditions", name.span, kind=TypeProblem)
    return found


def _text_of(part: str | VectorSelector, template: Template, look_up: Lookup) -> str:
    if isinstance(part, str):
        return part
    found, shown = _unwrapped(look_up(part)), brief(part.name or "")
    if found is None:
        op = "" if template.op is None else template.op.value
        raise Fault(
            f'the value of a matcher must be quoted, got "{shown}"',
            part.span,
            suggestion=f'write {op}"{shown}"',
        )
    if not isinstance(found, Text):
        raise Fault(f"{shown} is no text", part.span, kind=TypeProblem)
    return found.value
