"""Arguments of functions and aggregators with a different notation in extensions."""

from __future__ import annotations

from novaql.errors import TypeProblem
from novaql.language.ast import Call, Expr, Text
from novaql.language.expand_operators import unwrapped, vector_of
from novaql.language.fault import Fault
from novaql.language.signatures import Signature
from novaql.language.value_types import ARTICLES, ValueType
from novaql.span import Span

Typed = tuple[Expr, ValueType]
"""A core tree and its type."""

ARGUMENT_LABEL = "__argument__"
"""The label that distinguishes the operands of an aggregator."""


def united(op: str, operands: list[Typed]) -> Expr:
    """Return the series of all operands of an aggregator as one vector.

    The label `ARGUMENT_LABEL` distinguishes series with equal labels. Raises `Fault`.
    """
    parts = []
    for index, (tree, kind) in enumerate(operands):
        if kind not in (ValueType.VECTOR, ValueType.SCALAR):
            raise Fault(
                f"{op} expects an instant vector, got {ARTICLES[kind]}", tree.span, kind=TypeProblem
            )
        vector = vector_of(tree) if kind is ValueType.SCALAR else tree
        texts = (Text(text, span=tree.span) for text in (ARGUMENT_LABEL, str(index)))
        parts.append(Call("label_set", (vector, *texts), span=tree.span))
    span = Span(operands[0][0].span.start, operands[-1][0].span.end)
    return Call("union", tuple(parts), span=span)


def without_lists(signature: Signature, arguments: list[Typed]) -> list[Typed]:
    """Return the arguments with texts in place of `("a", "b")`, where any number is allowed."""
    if signature.most_arguments is not None or signature.name == "union":
        return arguments
    found: list[Typed] = []
    for tree, kind in arguments:
        match unwrapped(tree):
            case Call(function="union", arguments=items) if all(
                isinstance(item, Text) for item in items
            ):
                found += [(item, ValueType.STRING) for item in items]
            case _:
                found.append((tree, kind))
    return found


def vector_first(function: str, arguments: list[Typed]) -> list[Typed]:
    """Return the arguments of `histogram_quantiles("q", 0.5, 0.9, v)` in the order of PromQL."""
    if function != "histogram_quantiles" or len(arguments) < 3:
        return arguments
    label, *numbers, vector = arguments
    if label[1] is not ValueType.STRING or vector[1] is not ValueType.VECTOR:
        return arguments
    return [vector, label, *numbers]
