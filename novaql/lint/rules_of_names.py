"""Rules about names of `let`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from novaql.language import walk
from novaql.language.ast import (
    Call,
    DurationBinary,
    DurationParen,
    DurationReference,
    DurationUnary,
    Expr,
    Let,
    MatrixSelector,
    Shifted,
    Subquery,
    VectorSelector,
)
from novaql.lint.finding import Remark, Severity
from novaql.lint.knowledge import Knowledge


def unused_name(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """A value of `let` that nothing uses, or a parameter that its function does not use."""
    del known
    used = _used(root)
    for node in walk(root):
        if not isinstance(node, Let):
            continue
        for binding in node.bindings:
            if not used[binding.name]:
                yield Remark(
                    Severity.WARNING, f"nothing uses {binding.name}", binding.span, "remove it"
                )
            inside = _used(binding.value) if binding.parameters else Counter[str]()
            for parameter in binding.parameters or ():
                if not inside[parameter]:
                    yield Remark(
                        Severity.WARNING,
                        f"{binding.name} does not use its parameter {parameter}",
                        binding.span,
                        "remove it",
                    )


def _used(root: Expr) -> Counter[str]:
    """How often each name occurs where a name of `let` is allowed."""
    found: Counter[str] = Counter()
    for node in walk(root):
        match node:
            case VectorSelector(name=name, templates=templates):
                if name is not None:
                    found[name] += 1
                for template in templates:
                    found.update(
                        part.name
                        for part in template.parts
                        if isinstance(part, VectorSelector) and part.name is not None
                    )
            case Call(function=function):
                found[function] += 1
        for duration in _durations(node):
            found.update(_references(duration))
    return found


def _durations(node: Expr) -> Iterator[object]:
    match node:
        case VectorSelector() | Shifted():
            yield node.offset
        case MatrixSelector():
            yield node.range
        case Subquery():
            yield from (node.range, node.step, node.offset)


def _references(duration: object) -> Iterator[str]:
    match duration:
        case DurationReference(name=name):
            yield name
        case DurationUnary(operand=inner) | DurationParen(inner=inner):
            yield from _references(inner)
        case DurationBinary(left=left, right=right):
            yield from _references(left)
            yield from _references(right)
