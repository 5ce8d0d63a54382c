"""Lark's reductions → the syntax tree. One method a rule of promql.lark, called while parsing.

The methods hold no state, so one builder serves all threads. They raise `Fault`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from lark import Token

from novaql.errors import TypeProblem
from novaql.language.ast import (
    Aggregate,
    Binary,
    Call,
    Cardinality,
    Expr,
    Matching,
    Number,
    Paren,
    Text,
    Unary,
    VectorSelector,
)
from novaql.language.build_durations import DurationBuilder
from novaql.language.build_matching import MatchingBuilder, Modifiers, number_value
from novaql.language.build_postfix import PostfixBuilder
from novaql.language.fault import Fault
from novaql.language.literals import unquote
from novaql.language.parsed import (
    Arguments,
    Braces,
    Children,
    Clause,
    Condition,
    Labels,
    between,
    span_of,
)
from novaql.language.precedence import COMPARISONS, SET_OPERATORS, OperatorStack
from novaql.language.selector_parts import condition, label_name, metric_name, name_and_matchers
from novaql.language.signatures import AGGREGATORS
from novaql.span import Span


class PromqlBuilder(DurationBuilder, MatchingBuilder, PostfixBuilder):
    """A method for every rule; Lark finds it by the rule's name."""

    # --- operators ---

    def expression(self, children: Children) -> Expr:
        stack = OperatorStack[Expr]()
        want_operand = True
        for index, child in enumerate(children):
            if isinstance(child, Modifiers):
                continue  # read with its operator
            if not isinstance(child, Token):
                stack.operand(child)
                want_operand = False
            elif want_operand:
                stack.sign(partial(_signed, child))
            else:
                following = children[index + 1]
                modifiers = following if isinstance(following, Modifiers) else None
                build = _binary_builder(child, modifiers)
                stack.operator(child.value.lower(), build)
                want_operand = True
        return stack.tree()

    # --- operands ---

    def number(self, children: Children) -> Expr:
        (token,) = children
        return Number(number_value(token), span=span_of(token))

    def text(self, children: Children) -> Expr:
        (token,) = children
        return Text(unquote(token.value, span_of(token).start), span=span_of(token))

    def paren(self, children: Children) -> Expr:
        opening, inner, closing = children
        return Paren(inner, span=between(opening, closing))

    def selector(self, children: Children) -> Expr:
        first, last = children[0], children[-1]
        outside = first if isinstance(first, Token) else None
        braces = last if isinstance(last, Braces) else None
        name, matchers = name_and_matchers(outside, braces)
        return VectorSelector(name, matchers, span=between(first, last))

    def matchers(self, children: Children) -> Braces:
        conditions = tuple(c for c in children if isinstance(c, Condition))
        return Braces(conditions, between(children[0], children[-1]))

    def matcher(self, children: Children) -> Condition:
        return metric_name(children[0]) if len(children) == 1 else condition(*children)

    def labels(self, children: Children) -> Labels:
        names = tuple(label_name(t) for t in children if t.type in ("LABEL", "STRING"))
        return Labels(names, between(children[0], children[-1]))

    match_labels = labels

    # --- calls ---

    def arguments(self, children: Children) -> Arguments:
        values = tuple(c for c in children if not isinstance(c, Token))
        return Arguments(values, between(children[0], children[-1]))

    def call(self, children: Children) -> Expr:
        name, arguments = children
        return Call(name.value, arguments.values, span=between(name, arguments))

    def clause(self, children: Children) -> Clause:
        word, labels = children
        return Clause(word.value.lower() == "without", labels, between(word, labels))

    def aggregate(self, children: Children) -> Expr:
        word, *rest = children
        (arguments,) = (c for c in rest if isinstance(c, Arguments))
        clause = next((c for c in rest if isinstance(c, Clause)), None)
        op = word.value.lower()
        parameter, operand, more = _aggregate_operands(op, arguments, span_of(word))
        return Aggregate(
            op,
            operand,
            parameter,
            clause.labels.names if clause else (),
            clause.without if clause else False,
            more,
            span=between(word, rest[-1]),
        )


def _signed(sign: Token, operand: Expr) -> Expr:
    span = between(sign, operand)
    if isinstance(operand, Number):
        return Number(-operand.value if sign.value == "-" else operand.value, span=span)
    return Unary(sign.value, operand, span=span)


def _binary_builder(word: Token, modifiers: Modifiers | None) -> Callable[[Expr, Expr], Expr]:
    op = word.value.lower()
    matching = Matching() if modifiers is None else modifiers.matching
    if op in SET_OPERATORS:
        if modifiers is not None:
            _check_set_modifiers(op, modifiers)
        matching = replace(matching, cardinality=Cardinality.MANY_TO_MANY)
    return_bool = modifiers is not None and modifiers.return_bool is not None
    if return_bool and op not in COMPARISONS:
        assert modifiers is not None
        assert modifiers.return_bool is not None
        raise Fault(
            f"bool is for comparisons, not for {op}",
            modifiers.return_bool,
            kind=TypeProblem,
            suggestion="remove it",
        )
    return partial(_binary, op, return_bool, matching)


def _binary(op: str, return_bool: bool, matching: Matching, left: Expr, right: Expr) -> Expr:
    return Binary(op, left, right, return_bool, matching, span=between(left, right))


def _check_set_modifiers(op: str, modifiers: Modifiers) -> None:
    if modifiers.group is not None:
        raise Fault(
            f"{op} matches many to many and takes no group_left or group_right",
            modifiers.group,
            kind=TypeProblem,
        )
    if modifiers.fill is not None:
        raise Fault(f"{op} takes no fill", modifiers.fill, kind=TypeProblem)


def _aggregate_operands(
    op: str, arguments: Arguments, word: Span
) -> tuple[Expr | None, Expr, tuple[Expr, ...]]:
    """Parameter, operand, and the arguments beyond. Raises `Fault` if their number is wrong."""
    values, known = arguments.values, AGGREGATORS[op]
    if known.takes(len(values)):
        first = 0 if known.parameter is None else 1
        parameter, rest = values[0] if first else None, values[first:]
        if known.more_first:
            return parameter, rest[-1], rest[:-1]
        return parameter, rest[0], rest[1:]
    count = "one argument" if known.parameter is None else "two arguments"
    if known.more is not None:
        count = "at least three arguments" if known.more_first else "two or three arguments"
    raise Fault(
        f"{op} takes {count}, got {len(values)}",
        word,
        kind=TypeProblem,
        suggestion=f"as in {known.form_of('v')}",
    )
