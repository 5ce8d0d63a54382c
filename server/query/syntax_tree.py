"""Syntax trees in the format of Prometheus's parse_query."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson

from novaql.language import (
    Aggregate,
    At,
    AtEdge,
    Binary,
    Call,
    Cardinality,
    Duration,
    DurationBinary,
    DurationLiteral,
    DurationParen,
    DurationQuery,
    DurationReference,
    DurationUnary,
    Expr,
    Let,
    MatrixSelector,
    Member,
    Number,
    Paren,
    RetainNames,
    Shifted,
    Signature,
    Subquery,
    Text,
    Unary,
    ValueType,
    VectorSelector,
    left_spine,
    signature_of,
    type_of,
)
from novaql.server.http.json_bytes import json_bytes
from novaql.text import number_text
from novaql.tsdb import METRIC_NAME, Matcher, MatchOp

Tree = dict[str, Any]

TYPE_WORDS = {
    ValueType.SCALAR: "scalar",
    ValueType.VECTOR: "vector",
    ValueType.MATRIX: "matrix",
    ValueType.STRING: "string",
}


def tree_json(expr: Expr, text: str) -> Tree:
    """Convert a node and its children for JSON. `text` is the query, for details that only its
    text contains."""
    match expr:
        case Number():
            return {"type": "numberLiteral", "val": _number_text(expr.value)}
        case Text():
            return {"type": "stringLiteral", "val": expr.value}
        case Paren():
            return {"type": "parenExpr", "expr": _encoded(expr.inner, text)}
        case Unary():
            return {"type": "unaryExpr", "op": expr.op, "expr": _encoded(expr.operand, text)}
        case VectorSelector():
            return {"type": "vectorSelector"} | _selector(expr, text)
        case MatrixSelector():
            width = _duration("range", expr.range, text)
            return {"type": "matrixSelector"} | _selector(expr.selector, text) | width
        case Let() | Shifted() | RetainNames() | Member():
            return _extension(expr, text)
        case Subquery():
            return {
                "type": "subquery",
                "expr": _encoded(expr.inner, text),
                **_duration("range", expr.range, text),
                **_duration("step", expr.step, text),
                **_duration("offset", expr.offset, text),
                **_at(expr.at),
            }
        case Binary():
            return _chain(left_spine(expr), text)
        case Aggregate():
            parameter = expr.parameter
            more = [_encoded(argument, text) for argument in expr.more]
            beyond = ({"more": more} if more else {}) | (
                {} if expr.limit is None else {"limit": expr.limit}
            )
            return {
                "type": "aggregation",
                "op": expr.op,
                "expr": _encoded(expr.operand, text),
                "param": None if parameter is None else _encoded(parameter, text),
                "grouping": list(expr.grouping),
                "without": expr.without,
            } | beyond
        case Call():
            return {
                "type": "call",
                "func": _function(signature_of(expr.function)),
                "args": [_encoded(argument, text) for argument in expr.arguments],
            }


def _encode(tree: Tree) -> bytes:
    return json_bytes(tree, option=orjson.OPT_SORT_KEYS)


def _encoded(expr: Expr, text: str) -> orjson.Fragment:
    """A node below another one. Trees of queries nest deeper than the JSON encoder goes, so each
    node is encoded separately."""
    return orjson.Fragment(_encode(tree_json(expr, text)))


def all_matchers(selector: VectorSelector) -> list[Matcher]:
    """The matchers of a selector; that of its name is the last."""
    if selector.name is None:
        return list(selector.matchers)
    return [*selector.matchers, Matcher(METRIC_NAME, MatchOp.EQUAL, selector.name)]


_LEFT = orjson.Fragment(b"\0")
"""A placeholder for the left side: a byte that no JSON text contains."""


def _chain(spine: list[Binary], text: str) -> Tree:
    """Convert a chain of operators, lowest first. Long chains nest too deep for the JSON encoder,
    so this function encodes the operands below the last operator itself.
    """
    heads: list[bytes] = []
    tails: list[bytes] = []
    for node in spine[:-1]:
        around = _encode(_operation(node, _LEFT, text))
        head, _, tail = around.partition(b"\0")
        heads.append(head)
        tails.append(tail)
    lowest = _encode(tree_json(spine[0].left, text))
    below = b"".join((*reversed(heads), lowest, *tails))
    return _operation(spine[-1], orjson.Fragment(below), text)


def _operation(node: Binary, left: object, text: str) -> Tree:
    return {
        "bool": node.return_bool,
        "lhs": left,
        "matching": _matching(node),
        "op": node.op,
        "rhs": _encoded(node.right, text),
        "type": "binaryExpr",
    }


def _selector(selector: VectorSelector, text: str) -> Tree:
    either = [list(map(_matcher, matchers)) for matchers in selector.alternatives]
    return ({"alternatives": either} if either else {}) | {
        "name": selector.name or "",
        "matchers": [_matcher(matcher) for matcher in all_matchers(selector)],
        "anchored": selector.anchored,
        "smoothed": selector.smoothed,
        **_duration("offset", selector.offset, text),
        **_at(selector.at),
    }


def _matcher(matcher: Matcher) -> Tree:
    return {"name": matcher.name, "value": matcher.value, "type": matcher.op.value}


def _at(at: At | None) -> Tree:
    edge = at is not None and isinstance(at.when, AtEdge)
    return {
        "timestamp": None if at is None or edge else at.when,
        "startOrEnd": at.when if at is not None and edge else None,
    }


def _matching(expr: Binary) -> Tree | None:
    """The vector matching of an operator; None unless both sides are vectors."""
    if {type_of(expr.left), type_of(expr.right)} != {ValueType.VECTOR}:
        return None
    matching = expr.matching
    assert isinstance(matching.cardinality, Cardinality)
    beyond: Tree = {"renamed": dict(matching.renamed)} if matching.renamed else {}
    if matching.include_all:
        beyond["includeAll"] = True
    if matching.prefix:
        beyond["prefix"] = matching.prefix
    return beyond | {
        "card": matching.cardinality.value,
        "labels": list(matching.labels),
        "on": matching.on,
        "include": list(matching.include),
        "fillValues": {"lhs": matching.fill_left, "rhs": matching.fill_right},
    }


def _function(signature: Signature) -> Tree:
    """The signature, without what only extensions of PromQL take."""
    beyond = 0
    if signature.promql_most is not None:
        beyond = len(signature.arguments) - signature.promql_most
    arguments = signature.arguments[: len(signature.arguments) - beyond]
    optional = signature.optional - beyond
    if signature.variadic or signature.repeated is not None:
        most = signature.most_arguments
        optional = -1 if most is None else most - signature.fewest_arguments
    return {
        "name": signature.name,
        "argTypes": [TYPE_WORDS[kind] for kind in arguments],
        "variadic": optional,
        "returnType": TYPE_WORDS[signature.returns],
    }


def _extension(expr: Let | Shifted | RetainNames | Member, text: str) -> Tree:
    """Nodes that Prometheus lacks."""
    match expr:
        case Let():
            bindings = [
                {
                    "name": binding.name,
                    "parameters": binding.parameters,
                    "expr": _encoded(binding.value, text),
                }
                for binding in expr.bindings
            ]
            return {"type": "letExpr", "bindings": bindings, "body": _encoded(expr.body, text)}
        case Shifted():
            return {
                "type": "shiftedExpr",
                "expr": _encoded(expr.inner, text),
                **_duration("offset", expr.offset, text),
                **_at(expr.at),
            }
        case RetainNames():
            return {"type": "keepMetricNamesExpr", "expr": _encoded(expr.inner, text)}
        case Member():
            values = [_number_text(value) for value in expr.values]
            return {
                "type": "memberExpr",
                "expr": _encoded(expr.operand, text),
                "values": values,
            }


def _duration(name: str, duration: Duration | None, text: str) -> Tree:
    """A duration in milliseconds as `name`; the tree of a computed duration as `nameExpr`."""
    if duration is None or isinstance(duration, DurationLiteral):
        nanoseconds = 0 if duration is None else duration.nanoseconds
        return {name: int(nanoseconds / 1_000_000), f"{name}Expr": None}
    return {name: 0, f"{name}Expr": _duration_tree(duration, text)}


def _duration_tree(duration: Duration, text: str, *, wrapped: bool = False) -> Tree:
    match duration:
        case DurationLiteral():
            words = text[duration.span.start : duration.span.end]
            return {
                "type": "numberLiteral",
                "val": number_text(duration.nanoseconds / 1e9),
                "duration": any(letter in words for letter in "smhdwy"),
            }
        case DurationParen():
            return _duration_tree(duration.inner, text, wrapped=True)
        case DurationReference():
            return _computed(duration.name, None, None, wrapped)
        case DurationQuery():
            return _computed(duration.name.value, None, None, wrapped)
        case DurationUnary():
            return _computed(duration.op, None, _duration_tree(duration.operand, text), wrapped)
        case DurationBinary():
            left = _duration_tree(duration.left, text)
            return _computed(duration.op, left, _duration_tree(duration.right, text), wrapped)


def _computed(op: str, left: Tree | None, right: Tree | None, wrapped: bool) -> Tree:
    return {"type": "durationExpr", "op": op, "lhs": left, "rhs": right, "wrapped": wrapped}


def _number_text(value: float) -> str:
    """All digits of a number, without an exponent."""
    shown = number_text(value)
    return format(Decimal(shown), "f") if "e" in shown else shown
