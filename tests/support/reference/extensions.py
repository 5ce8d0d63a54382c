"""The extensions of PromQL in the core tree, evaluated at one time after another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from novaql.language.ast import Binary, Call, Expr, Member, RetainNames, Shifted, Unary
from novaql.language.ast import Number as Literal
from tests.support.reference import matching, numbers
from tests.support.reference.values import (
    Element,
    LabelSet,
    Notes,
    Number,
    Sample,
    Vector,
    floats,
    refuse_equal,
    with_label,
    without,
)
from tests.support.reference.windows import Window

if TYPE_CHECKING:
    from tests.support.reference.evaluator import Reference, Value

_SILENT = Notes()
CALLS = ("union", "limit_offset", "label_set", "label_del")


def shifted(reference: Reference, node: Shifted, now: int) -> Value:
    """Evaluate the inner expression at the shifted time; all other steps are shifted, too."""
    grid = [reference.end(step, node.offset, node.at) for step in reference.steps]
    there = replace(reference, grid=tuple(dict.fromkeys(grid)))
    return there.value(node.inner, reference.end(now, node.offset, node.at))


def retained(reference: Reference, node: RetainNames, now: int) -> Value:
    """The generators put operations below it whose operands have their names."""
    value = replace(reference, eager_names=False).value(node.inner, now)
    assert isinstance(value, list)
    return refuse_equal([replace(element, nameless=False) for element in value])


def members(reference: Reference, node: Member, now: int) -> Vector:
    vector = floats(reference.vector(node.operand, now))
    return [element for element in vector if element.number in node.values]


def default(reference: Reference, node: Binary, now: int) -> Vector:
    left = reference.vector(node.left, now)
    ever = _ever(reference, node.left)
    if not isinstance(right := reference.value(node.right, now), list):
        assert isinstance(right, float)
        there = {element.key for element in left}
        absent = [replace(e, value=right) for key, e in ever.items() if key not in there]
        return [*left, *absent] if ever else [Element({}, right)]
    partners: dict[LabelSet, Number] = {}
    for element in _in_order(right):
        partners.setdefault(matching.signature(element, node.matching), element.value)
    own = {element.key: element for element in left}
    out = []
    for key, element in ever.items():
        if key in own:
            out.append(own[key])
        elif (found := partners.get(matching.signature(element, node.matching))) is not None:
            out.append(replace(element, value=found))
    taken = {matching.signature(element, node.matching) for element in ever.values()}
    rest = [e for e in right if matching.signature(e, node.matching) not in taken]
    return refuse_equal([*out, *rest])


def call(reference: Reference, node: Call, now: int) -> Vector:
    name, arguments = node.function, node.arguments
    if name == "union":
        return _union(reference, arguments, now)
    if name == "limit_offset":
        limit, offset = (int(reference.scalar(argument, now)) for argument in arguments[:2])
        kept = sorted(_ever(reference, arguments[2]))[offset : offset + limit]
        return [e for e in reference.vector(arguments[2], now) if e.key in kept]
    vector = reference.vector(arguments[0], now)
    texts = [str(reference.value(argument, now)) for argument in arguments[1:]]
    out = []
    for element in vector:
        labels = without(element.labels, *texts)
        if name == "label_set":
            labels = element.labels
            for label, value in zip(texts[::2], texts[1::2], strict=True):
                labels = with_label(labels, label, value)
        out.append(replace(element, labels=labels))
    return refuse_equal(out)


def _union(reference: Reference, parts: tuple[Expr, ...], now: int) -> Vector:
    """Of series with equal labels the first one, at all steps."""
    out: Vector = []
    earlier: set[LabelSet] = set()
    for part in parts:
        out += [e for e in reference.vector(part, now) if e.bare().key not in earlier]
        earlier |= {element.bare().key for element in _ever(reference, part).values()}
    return refuse_equal(out)


def _ever(reference: Reference, expr: Expr) -> dict[LabelSet, Element]:
    """The series that have a value at any step."""
    return {e.key: e for step in reference.steps for e in reference.vector(expr, step)}


def _in_order(vector: Vector) -> Vector:
    return sorted(vector, key=lambda element: element.key)


def lifted(node: Expr, windows: list[tuple[Element, Window]]) -> list[tuple[Element, Window]]:
    """An operation on the samples of a range; windows: those of its operand."""
    named = isinstance(node, Member) or (
        isinstance(node, Binary) and node.op in numbers.COMPARISON and not node.return_bool
    )
    out = []
    for element, window in windows:
        changed = [(moment, _changed(node, value)) for moment, value in window.samples]
        samples: list[Sample] = [(moment, value) for moment, value in changed if value is not None]
        if samples:
            mark = replace(element, nameless=element.nameless or not named)
            out.append((mark, replace(window, all_samples=samples)))
    return out


def _changed(node: Expr, sample: float) -> Number | None:
    match node:
        case Unary(op=op):
            return -sample if op == "-" else sample
        case Member(values=values):
            return sample if sample in values else None
        case Call(function=name):
            return numbers.ELEMENTWISE[name](sample)
        case Binary(left=Literal(value=constant)):
            return matching.apply(node, constant, sample, _SILENT, kept=sample)
        case Binary(right=Literal(value=constant)):
            return matching.apply(node, sample, constant, _SILENT, kept=sample)
        case _:
            raise AssertionError("the generators draw no such operation on samples")
