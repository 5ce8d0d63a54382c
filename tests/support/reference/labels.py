"""label_replace, label_join, the labels of absent(), and matchers."""

from __future__ import annotations

import re
from dataclasses import replace

from novaql.language.ast import Expr, MatrixSelector, Paren, VectorSelector
from novaql.tsdb.model.matchers import Matcher, MatchOp
from tests.support.reference.values import NAME, Element, Vector, refuse_equal, with_label


def label_replace(vector: Vector, target: str, template: str, source: str, pattern: str) -> Vector:
    return refuse_equal([_replaced(e, target, template, source, pattern) for e in vector])


def _replaced(element: Element, target: str, template: str, source: str, pattern: str) -> Element:
    found = re.fullmatch(pattern, element.labels.get(source, ""), re.DOTALL)
    if found is None:
        return element
    text = re.sub(r"\$(\d)", lambda group: found[int(group[1])], template)
    return _written(element, target, text)


def label_join(vector: Vector, target: str, separator: str, *sources: str) -> Vector:
    return refuse_equal(
        [_written(e, target, separator.join(e.labels.get(s, "") for s in sources)) for e in vector]
    )


def _written(element: Element, target: str, text: str) -> Element:
    nameless = element.nameless and target != NAME
    return replace(element, labels=with_label(element.labels, target, text), nameless=nameless)


def labels_of_absence(expr: Expr) -> dict[str, str]:
    """The labels of the equality matchers of a plain selector, without labels that are matched
    twice."""
    while isinstance(expr, Paren):
        expr = expr.inner
    if isinstance(expr, MatrixSelector):
        expr = expr.selector
    if not isinstance(expr, VectorSelector):
        return {}
    names = [matcher.name for matcher in expr.matchers]
    return {
        m.name: m.value
        for m in expr.matchers
        if m.op is MatchOp.EQUAL and names.count(m.name) == 1 and m.name != NAME and m.value
    }


def holds(condition: Matcher, label_set: dict[str, str]) -> bool:
    text = label_set.get(condition.name, "")
    match condition.op:
        case MatchOp.EQUAL:
            return text == condition.value
        case MatchOp.NOT_EQUAL:
            return text != condition.value
        case MatchOp.REGEX:
            return re.fullmatch(condition.value, text, re.DOTALL) is not None
        case MatchOp.NOT_REGEX:
            return re.fullmatch(condition.value, text, re.DOTALL) is None
