"""Pipes, `let` and `WITH`: extensions of PromQL with their own syntax."""

from __future__ import annotations

from dataclasses import replace

from lark import Token

from novaql.errors import TypeProblem
from novaql.language.ast import Aggregate, Binding, Call, Expr, Let, RetainNames
from novaql.language.fault import Fault, brief
from novaql.language.literals import parse_number
from novaql.language.parsed import NOTED, Arguments, Children, Clause, Stage, between, span_of
from novaql.language.pipes import operand_place
from novaql.language.signatures import AGGREGATORS
from novaql.span import Span


class ExtensionBuilder:
    """Rules `stage`, `let`, `binding` and `parameters`."""

    def stage(self, children: Children) -> Stage:
        word = children[0]
        arguments: tuple[Expr, ...] = ()
        clause = limit = None
        retain_names = False
        for child in children[1:]:
            match child:
                case Arguments(values=values):
                    arguments = values
                case Clause():
                    clause = child
                case Token(type="NUMBER"):
                    limit = limit_of(child)
                case Token(type="KEEP"):
                    retain_names = True
        return Stage(word, arguments, clause, limit, retain_names, between(word, children[-1]))

    def let(self, children: Children) -> Expr:
        word, body = children[0], children[-1]
        NOTED.note("let" if word.type == "LET" else "WITH", span_of(word))
        bindings = tuple(child for child in children if isinstance(child, Binding))
        if not bindings:
            return body  # type: ignore[no-any-return]
        _check_names([(b.name, b.span) for b in bindings], "let")
        return Let(bindings, body, span=between(word, body))

    def binding(self, children: Children) -> Binding:
        name, *parameters, sign, value = children
        span = Span(span_of(name).start, value.span.end)
        if sign.value != "=":
            raise Fault(f"= must follow {name.value}, got {sign.value}", span_of(sign))
        if name.value.lower() == "in":
            raise Fault("in ends the names of let, so that none can be called so", span_of(name))
        if parameters and name.value.lower() in AGGREGATORS:
            raise Fault(f"{name.value} is an aggregator", span_of(name), suggestion="rename it")
        return Binding(name.value, value, parameters[0] if parameters else None, span=span)

    def parameters(self, children: Children) -> tuple[str, ...]:
        names = [token for token in children if token.type == "LABEL"]
        _check_names([(name.value, span_of(name)) for name in names], "the function")
        return tuple(name.value for name in names)


def _check_names(names: list[tuple[str, Span]], place: str) -> None:
    """Raise `Fault` if a name is escaped, or given twice."""
    seen: set[str] = set()
    for name, span in names:
        if "\\" in name:
            raise Fault(f"{place} has the name {name}, which cannot be escaped", span)
        if name in seen:
            raise Fault(f"{place} has the name {brief(name)} twice", span)
        seen.add(name)


def limit_of(token: Token) -> int:
    """Return the number of series after `limit`."""
    value = parse_number(token.value, span_of(token))
    if value != int(value) or not 0 <= value < 2**53:
        raise Fault("limit takes a whole number of series", span_of(token))
    return int(value)


def piped(operand: Expr, stage: Stage) -> Expr:
    """The function or the aggregator of a stage, with the operand put in."""
    word, name = span_of(stage.word), stage.word.value
    span = between(operand, stage)
    if stage.word.type == "AGGREGATOR":
        op = name.lower()
        behind = _arguments_behind(op, stage.arguments)
        before = stage.arguments[: len(stage.arguments) - len(behind)]
        parameter, operand, more = aggregate_operands(op, (*before, operand, *behind), word)
        grouping = stage.clause.labels.names if stage.clause else ()
        without = stage.clause.without if stage.clause else False
        return Aggregate(op, operand, parameter, grouping, without, stage.limit, more, span=span)
    place = operand_place(name, len(stage.arguments) + 1)
    if place is None:
        raise Fault(
            f"{name} takes no vector, so that nothing can be piped into it",
            word,
            kind=TypeProblem,
        )
    before, after = stage.arguments[:place], stage.arguments[place:]
    call = Call(name, (*before, operand, *after), span=span, name_span=word)
    return RetainNames(replace(call, span=span), span=span) if stage.retain_names else call


def _arguments_behind(op: str, arguments: tuple[Expr, ...]) -> tuple[Expr, ...]:
    """Return the arguments of a stage that follow the vector of an aggregator."""
    known = AGGREGATORS[op]
    if known.takes_several:
        return arguments
    if known.more is None or known.more_first:
        return ()
    return arguments[known.parameter is not None :]


def aggregate_operands(
    op: str, values: tuple[Expr, ...], word: Span
) -> tuple[Expr | None, Expr, tuple[Expr, ...]]:
    """Return the parameter, the operand and the further arguments.

    Raises `Fault` if their number is wrong.
    """
    known = AGGREGATORS[op]
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
