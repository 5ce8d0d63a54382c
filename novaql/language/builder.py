"""Lark's reductions → the syntax tree. One method a rule of novaql.lark, called while parsing.

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
    Template,
    Text,
    Unary,
)
from novaql.language.build_durations import DurationBuilder, steps_as_number
from novaql.language.build_extensions import ExtensionBuilder, aggregate_operands, piped
from novaql.language.build_matching import MatchingBuilder, Modifiers, number_value
from novaql.language.build_postfix import PostfixBuilder
from novaql.language.fault import Fault
from novaql.language.literals import unquote
from novaql.language.parsed import (
    NOTED,
    Arguments,
    Braces,
    Children,
    Clause,
    Condition,
    Conditions,
    Either,
    Labels,
    between,
    span_of,
)
from novaql.language.precedence import COMPARISONS, EXTENSIONS, MANY_TO_MANY, OperatorStack
from novaql.language.selector_parts import (
    all_of,
    any_of,
    condition,
    listed_label,
    metric_name,
    named_conditions,
    nameless,
    selector_of,
)
from novaql.span import Span


class PromqlBuilder(DurationBuilder, MatchingBuilder, PostfixBuilder, ExtensionBuilder):
    """A method for every rule; Lark finds it by the rule's name."""

    # --- operators ---

    def pipeline(self, children: Children) -> Expr:
        first = next(n for n, c in enumerate(children) if isinstance(c, Token) and c.type == "PIPE")
        tree: Expr = children[0] if first == 1 else self.query(children[:first])
        for pipe, stage in zip(children[first::2], children[first + 1 :: 2], strict=True):
            NOTED.note("the pipe |>", span_of(pipe))
            tree = piped(tree, stage)
        return tree

    def query(self, children: Children) -> Expr:
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
        if token.type == "INTERVAL":
            return steps_as_number(token)
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
        return selector_of(outside, braces, between(first, last))

    def matchers(self, children: Children) -> Braces:
        inside = children[1:-1]
        several = inside and isinstance(inside[0], tuple)  # of `all_of`
        alternatives = any_of(inside) if several else all_of(inside)
        return Braces(alternatives, between(children[0], children[-1]))

    def all_of(self, children: Children) -> tuple[Conditions, ...]:
        return all_of(children)

    def either(self, children: Children) -> Either:
        span = between(children[0], children[-1])
        NOTED.note("parentheses in a selector", span)
        return Either(any_of(children[1:-1]), span)

    def matcher(self, children: Children) -> Condition | Template:
        if len(children) == 1:
            return (
                named_conditions(children[0])
                if children[0].type == "LABEL"
                else metric_name(children[0])
            )
        return condition(*children)

    def labels(self, children: Children) -> Labels:
        names = tuple(listed_label(t) for t in children if t.type in ("LABEL", "STRING"))
        return Labels(names, between(children[0], children[-1]))

    # --- calls ---

    def arguments(self, children: Children) -> Arguments:
        values = tuple(c for c in children if not isinstance(c, Token))
        _note_trailing_comma(children)
        return Arguments(values, between(children[0], children[-1]))

    def call(self, children: Children) -> Expr:
        name, arguments = children
        word = span_of(name)
        span = Span(word.start, arguments.span.end)
        values = arguments.values
        if name == "info" and len(values) > 1:
            values = (values[0], nameless(values[1]), *values[2:])
        return Call(name.value, values, span=span, name_span=word)

    def union(self, children: Children) -> Expr:
        span = between(children[0], children[-1])
        NOTED.note("a list in parentheses", span)
        values = tuple(c for c in children if not isinstance(c, Token))
        return Call("union", values, span=span)

    def clause(self, children: Children) -> Clause:
        word, labels = children
        return Clause(word.value.lower() == "without", labels, between(word, labels))

    def aggregate(self, children: Children) -> Expr:
        word, *rest = children
        (arguments,) = (c for c in rest if isinstance(c, Arguments))
        clause = next((c for c in rest if isinstance(c, Clause)), None)
        op = word.value.lower()
        parameter, operand, more = aggregate_operands(op, arguments.values, span_of(word))
        return Aggregate(
            op,
            operand,
            parameter,
            clause.labels.names if clause else (),
            clause.without if clause else False,
            more=more,
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
    if op in EXTENSIONS:
        NOTED.note(op, span_of(word))
    if op in MANY_TO_MANY:
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


def _note_trailing_comma(children: Children) -> None:
    if len(children) > 2 and isinstance(children[-2], Token):
        NOTED.note("a comma after the last argument", span_of(children[-2]))
