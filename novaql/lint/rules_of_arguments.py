"""Rules about arguments: expressions that a function accepts, but cannot use."""

from __future__ import annotations

import re
from collections.abc import Iterator

from novaql.language import AGGREGATORS, walk
from novaql.language.ast import (
    Aggregate,
    DurationLiteral,
    Expr,
    Paren,
    Shifted,
    Subquery,
    Text,
    VectorSelector,
)
from novaql.lint.finding import Remark, Severity
from novaql.lint.knowledge import Knowledge
from novaql.lint.tree import bare, calls, number, selectors
from novaql.selectors import matcher_sets_of
from novaql.text.go_text import group_references
from novaql.tsdb.model.matchers import MatchOp, compile_regex

TEMPLATES = {"label_replace": (2, 4), "label_transform": (3, 2)}
"""Function → the places of its template and its pattern."""
OF_TWO_VALUES = frozenset(
    {"rate", "increase", "irate", "delta", "idelta", "deriv", "predict_linear"}
)
_OF_SED = re.compile(r"\\(\d{1,9})", re.ASCII)


def absent_of_groups(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """absent() is about the whole vector: one group that exists hides that others are absent."""
    del known
    for node in calls(root, ("absent",)):
        inner = bare(node.arguments[0])
        if isinstance(inner, Aggregate) and (inner.without or _free(inner)):
            yield Remark(
                Severity.WARNING,
                "absent returns one element, when no group is left, and none for each group",
                node.span,
                "compare with the past: x offset 1h unless on (…) x",
            )


def time_of_result(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """The samples of a selector have their own times; a result has the time of its evaluation."""
    del known
    at_steps = {
        id(node)
        for query in walk(root)
        if isinstance(query, Subquery)
        for node in calls(query.inner, ("timestamp",))
    }  # there, the time of each step is meant: max_over_time(timestamp(x > 3)[1d:1m])
    for node in calls(root, ("timestamp",)):
        inner = node.arguments[0]
        while isinstance(inner, Paren | Shifted):
            inner = inner.inner
        if id(node) not in at_steps and not isinstance(inner, VectorSelector):
            yield Remark(
                Severity.WARNING,
                "timestamp of a result is the time of evaluation, not that of a sample",
                node.span,
                "take timestamp of the selector, or tlast_over_time of a range",
            )


def scalar_of_many(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """scalar() of more than one element is NaN."""
    for node in calls(root, ("scalar",)):
        why = _many(bare(node.arguments[0]), known)
        if why is not None:
            yield Remark(
                Severity.WARNING,
                f"scalar of more than one element is NaN, and {why}",
                node.span,
                "aggregate without by (…), or join with group_left instead",
            )


def _many(expr: Expr, known: Knowledge) -> str | None:
    """Why an expression has more than one element, or None."""
    match expr:
        case VectorSelector():
            count = known.matches(*matcher_sets_of(expr)) or 0
            return f"{count} series match" if count > 1 else None
        case Aggregate(op="count_values"):
            return "there is one for each value"
        case Aggregate(without=True):
            return "there is one for each group"
        case Aggregate(grouping=grouping) if grouping:
            free = _free(expr)
            return f"there is one for each {', '.join(free)}" if free else None
        case Aggregate(op=op, parameter=parameter) if (
            AGGREGATORS[op].returns_input_series and parameter is not None
        ):
            wanted = number(parameter)
            return f"{op} returns {wanted:g}" if wanted is not None and wanted > 1 else None
        case _:
            return None


def _free(node: Aggregate) -> list[str]:
    """Labels of `by` that selectors do not match with one value."""
    pinned = [
        {m.name for m in selector.matchers if m.op is MatchOp.EQUAL}
        for selector in selectors(node.operand)
    ]
    return [label for label in node.grouping if not all(label in names for names in pinned)]


def coarse_subquery(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """A subquery of which no step, or too few, are in the range."""
    del known
    functions = {
        id(bare(argument)): call.function
        for call in calls(root, OF_TWO_VALUES)
        for argument in call.arguments
    }
    for node in walk(root):
        if not isinstance(node, Subquery):
            continue
        length, step = node.range, node.step
        if not (isinstance(length, DurationLiteral) and isinstance(step, DurationLiteral)):
            continue
        function = functions.get(id(node))
        if step.nanoseconds > length.nanoseconds:
            problem = "the step is longer than the range, which holds one value or none"
        elif function is not None and 2 * step.nanoseconds > length.nanoseconds:
            problem = f"{function} needs two values, and this range often holds one"
        else:
            continue
        yield Remark(Severity.WARNING, problem, node.span, "use a shorter step: [range:step]")


def lost_group(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """A template refers to a group that its pattern does not have: the group is replaced by no
    text."""
    del known
    for node in calls(root, TEMPLATES):
        template, pattern = (bare(node.arguments[place]) for place in TEMPLATES[node.function])
        if not (isinstance(template, Text) and isinstance(pattern, Text)):
            continue
        try:
            regex = compile_regex(pattern.value)
        except ValueError:
            continue  # the evaluator rejects it
        found = _OF_SED.search(template.value)
        if found is not None and int(found[1]) <= regex.groups:
            problem, hint = f"{found[0]} is no reference to a group", f"write ${{{found[1]}}}"
            yield Remark(Severity.WARNING, problem, template.span, hint)
        for reference in group_references(template.value):
            name = reference.name
            if name is None or name in regex.groupindex:
                continue
            if reference.number is None or reference.number > regex.groups:
                yield Remark(
                    Severity.WARNING,
                    f"{reference.text} is empty: the pattern has no group {name}",
                    template.span,
                    _meant(name, regex.groups),
                )


def _meant(name: str, groups: int) -> str | None:
    digits = re.match(r"\d{1,9}(?!\d)", name)
    if digits is not None and digits[0] != name and int(digits[0]) <= groups:
        return f"write ${{{digits[0]}}}{name[digits.end() :]}"
    return "put what it refers to in parentheses" if groups == 0 else None
