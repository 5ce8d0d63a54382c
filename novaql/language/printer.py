"""Tree → canonical text, as Prometheus prints it.

`parse(format_expr(tree)) == tree` for every tree that `parse` can return. Parentheses that the text
needs are added if the tree lacks them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import assert_never

from novaql.language.ast import (
    Aggregate,
    At,
    AtEdge,
    Binary,
    Binding,
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
    Matching,
    MatrixSelector,
    Member,
    Number,
    Paren,
    RetainNames,
    Shifted,
    Subquery,
    Template,
    Text,
    Unary,
    VectorSelector,
    left_spine,
)
from novaql.language.durations import format_nanoseconds
from novaql.language.literals import format_number
from novaql.language.metric_names import METRIC_NAME, QUOTED_IN_LISTS
from novaql.language.precedence import PRECEDENCE, RIGHT_ASSOCIATIVE, UNARY_PRECEDENCE
from novaql.language.visit import children
from novaql.text.go_text import quote
from novaql.tsdb.model.matchers import Matcher, MatchOp

_ATOM = 100
_METRIC_NAME = re.compile(
    r"(?!(?:bool|on|ignoring|group_left|group_right|atan2|inf|nan)$)[a-zA-Z_:][a-zA-Z0-9_:]*",
    re.I | re.A,  # without A, ſ is also an s
)
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def one_line(expr: Expr) -> str:
    match expr:
        case Number(value=value):
            return format_number(value)
        case Text(value=value):
            return quote(value)
        case Paren(inner=inner):
            return f"({one_line(inner)})"
        case VectorSelector():
            return _selected(expr) + shifts(expr)
        case MatrixSelector(selector=selector, range=length):
            return f"{_selected(selector)}[{_duration(length)}]{shifts(selector)}"
        case Subquery(inner=inner):
            return closed(inner, one_line(inner)) + brackets(expr)
        case Unary(op=op, operand=operand):
            return op + enclosed_operand(operand, one_line(operand))
        case Binary():
            return " ".join(chained(left_spine(expr)))
        case Aggregate():
            return f"{head(expr)}({', '.join(map(one_line, children(expr)))}){tail(expr)}"
        case Call(function=function, arguments=arguments):
            return f"{function}({', '.join(map(one_line, arguments))})"
        case Let(bindings=bindings, body=body):
            return f"let {', '.join(map(bound, bindings))} in {one_line(body)}"
        case Shifted(inner=inner):
            return closed(inner, one_line(inner)) + shifts(expr)
        case RetainNames(inner=inner):
            return closed(inner, one_line(inner)) + " keep_metric_names"
        case Member(operand=operand, values=values):
            inside = ", ".join(map(format_number, values))
            return f"{closed(operand, one_line(operand))} == ({inside})"
        case _:
            assert_never(expr)


def bound(binding: Binding) -> str:
    """`name = value`"""
    return f"{bound_name(binding)} = {one_line(binding.value)}"


def bound_name(binding: Binding) -> str:
    """`name`, or `name(a, b)`"""
    if binding.parameters is None:
        return binding.name
    return f"{binding.name}({', '.join(binding.parameters)})"


# --- parentheses -----------------------------------------------------------------------------


def _binding(expr: Expr) -> int:
    match expr:
        case Binary(op=op):
            return PRECEDENCE[op]
        case Unary():
            return UNARY_PRECEDENCE
        case Number(value=value):
            return UNARY_PRECEDENCE if format_number(value)[0] in "+-" else _ATOM
        case Let():
            return 0
        case Member():
            return PRECEDENCE["=="]
        case _:
            return _ATOM


def _is_signed(expr: Expr) -> bool:
    """Whether the text begins with a sign; such an operand needs no parentheses on the right."""
    return isinstance(expr, Unary) or (isinstance(expr, Number) and _binding(expr) < _ATOM)


def chained(spine: Sequence[Binary]) -> Iterator[str]:
    """The texts of a chain of operators, lowest first: operand, operator, operand, …

    A blank belongs between each two. Parentheses around the left operand of an operator open in
    the first text and close in the last one before it.
    """
    wrapped = [not left_is_plain(node) for node in spine]
    first = one_line(spine[0].left)
    if wrapped[0] and first == "+Inf":
        wrapped[0], first = False, "Inf"
    waiting = "(" * sum(wrapped) + first
    for node, closes in zip(spine, wrapped, strict=True):
        yield f"{waiting})" if closes else waiting
        yield operator(node)
        waiting = enclosed_right(node, right_text(node))
    yield waiting


def right_text(expr: Binary) -> str:
    """The text of the right operand; of a list of numbers, `(1, 2)`."""
    match expr.right:
        case Call(function="union", arguments=items) if expr.op in ("==", "!=") and all(
            isinstance(item, Number) for item in items
        ):
            return f"({', '.join(map(one_line, items))}{',' if len(items) == 1 else ''})"
        case right:
            return one_line(right)


def left_is_plain(expr: Binary) -> bool:
    """Whether the left operand needs no parentheses."""
    least = PRECEDENCE[expr.op] + (expr.op in RIGHT_ASSOCIATIVE)
    return _binding(expr.left) >= least


def enclosed_right(expr: Binary, text: str) -> str:
    least = PRECEDENCE[expr.op] + (expr.op not in RIGHT_ASSOCIATIVE)
    return text if _binding(expr.right) >= least or _is_signed(expr.right) else f"({text})"


def enclosed_operand(operand: Expr, text: str) -> str:
    plain = _binding(operand) > UNARY_PRECEDENCE or _is_signed(operand)
    return text if plain else f"({text})"


def closed(expr: Expr, text: str) -> str:
    """Return the text in parentheses, unless more may follow it directly."""
    return text if _binding(expr) == _ATOM else f"({text})"


def tail(expr: Aggregate) -> str:
    """Return the text after an aggregate's arguments: ` limit 5`, or nothing."""
    return "" if expr.limit is None else f" limit {expr.limit}"


# --- selectors -------------------------------------------------------------------------------


def _label(name: str) -> str:
    return name if _LABEL_NAME.fullmatch(name) else quote(name)


def _selected(selector: VectorSelector) -> str:
    name = selector.name or ""
    inside = [_matcher(m) for m in selector.matchers]
    inside += [_template(template) for template in selector.templates]
    if selector.alternatives:
        return _any_of(selector, inside)
    if name and not _METRIC_NAME.fullmatch(name):
        inside.insert(0, quote(name))
        name = ""
    return f"{name}{{{','.join(inside)}}}" if inside or not name else name


def _any_of(selector: VectorSelector, common: list[str]) -> str:
    """A selector with `or`."""
    name = selector.name or ""
    if name and not _METRIC_NAME.fullmatch(name):
        common = [_matcher(Matcher(METRIC_NAME, MatchOp.EQUAL, name)), *common]
        name = ""
    sets = [",".join((*common, *map(_matcher, each))) for each in selector.alternatives]
    return f"{name}{{{' or '.join(sets)}}}"


def _template(template: Template) -> str:
    parts = [part if isinstance(part, str) else part.name or "" for part in template.parts]
    texts = [
        quote(text) if isinstance(part, str) else text
        for part, text in zip(template.parts, parts, strict=True)
    ]
    if template.name is None or template.op is None:
        return texts[0]
    return f"{_label(template.name)}{template.op.value}{' + '.join(texts)}"


def _matcher(matcher: Matcher) -> str:
    return f"{_label(matcher.name)}{matcher.op.value}{quote(matcher.value)}"


def shifts(node: VectorSelector | Subquery | Shifted) -> str:
    """`anchored`, `@` and `offset`, each with a blank in front."""
    text = ""
    if isinstance(node, VectorSelector):
        text += " anchored" if node.anchored else " smoothed" if node.smoothed else ""
    if node.at is not None:
        text += f" @ {_moment(node.at)}"
    if node.offset is not None:
        text += f" offset {_shift(node.offset)}"
    return text


def brackets(expr: Subquery) -> str:
    if expr.implicit:
        return f"[{_duration(expr.range)}]{shifts(expr)}"
    step = "" if expr.step is None else _duration(expr.step)
    return f"[{_duration(expr.range)}:{step}]{shifts(expr)}"


def _moment(at: At) -> str:
    if isinstance(at.when, AtEdge):
        edge = f"{at.when.value}()"
        if not at.plus_ms:
            return edge
        seconds, milliseconds = divmod(abs(at.plus_ms), 1000)
        return f"({edge} {'-' if at.plus_ms < 0 else '+'} {seconds}.{milliseconds:03d})"
    seconds, milliseconds = divmod(abs(at.when), 1000)
    return f"{'-' if at.when < 0 else ''}{seconds}.{milliseconds:03d}"


# --- operators and calls ---------------------------------------------------------------------


def operator(expr: Binary) -> str:
    """The operator with its modifiers."""
    return f"{expr.op}{' bool' if expr.return_bool else ''}{matching_text(expr.matching)}"


def matching_text(matching: Matching) -> str:
    """Return the modifiers of an operator, each after a space: ` on (job) group_left ()`."""
    grouped = {Cardinality.MANY_TO_ONE: "left", Cardinality.ONE_TO_MANY: "right"}
    side = grouped.get(matching.cardinality)
    text = ""
    if matching.on or matching.labels or side:
        pairs = dict(matching.renamed)
        names = [
            f"{_listed(name)}={_listed(pairs[name])}" if name in pairs else _listed(name)
            for name in matching.labels
        ]
        text = f" {'on' if matching.on else 'ignoring'} ({', '.join(names)})"
    if side:
        text += f" group_{side} ({'*' if matching.include_all else _labels(matching.include)})"
    if matching.prefix:
        text += f" prefix {quote(matching.prefix)}"
    left, right = matching.fill_left, matching.fill_right
    if left is not None and repr(left) == repr(right):
        return f"{text} fill ({format_number(left)})"
    if left is not None:
        text += f" fill_left ({format_number(left)})"
    if right is not None:
        text += f" fill_right ({format_number(right)})"
    return text


def _labels(names: Iterable[str]) -> str:
    return ", ".join(map(_listed, names))


def _listed(name: str) -> str:
    return quote(name) if name.lower() in QUOTED_IN_LISTS else _label(name)


def head(expr: Aggregate) -> str:
    """Return the text before an aggregate's arguments: `sum by (job) `, or `sum`."""
    if not expr.grouping and not expr.without:
        return expr.op
    return f"{expr.op} {'without' if expr.without else 'by'} ({_labels(expr.grouping)}) "


# --- durations -------------------------------------------------------------------------------


def _duration(duration: Duration) -> str:
    match duration:
        case DurationLiteral(nanoseconds=nanoseconds):
            return format_nanoseconds(nanoseconds)
        case DurationQuery(name=name):
            return f"{name.value}()"
        case DurationReference(name=word):
            return word
        case DurationParen(inner=inner):
            return f"({_duration(inner)})"
        case DurationUnary(op=op, operand=operand):
            plain = _duration_binding(operand) > UNARY_PRECEDENCE or _has_sign(operand)
            return op + (_duration(operand) if plain else f"({_duration(operand)})")
        case DurationBinary(op=("min_of" | "max_of") as op, left=left, right=right):
            return f"{op}({_duration(left)}, {_duration(right)})"
        case DurationBinary(op=op, left=left, right=right):
            least = PRECEDENCE[op]
            to_right = op in RIGHT_ASSOCIATIVE
            left_text, right_text = _duration(left), _duration(right)
            if _duration_binding(left) < least + to_right:
                left_text = f"({left_text})"
            if _duration_binding(right) < least + (not to_right) and not _has_sign(right):
                right_text = f"({right_text})"
            return f"{left_text} {op} {right_text}"
        case _:
            assert_never(duration)


def _shift(duration: Duration) -> str:
    """Return a duration as an offset, which is one item with its signs."""
    text = _duration(duration)
    loose = isinstance(duration, DurationBinary) and duration.op in PRECEDENCE
    if isinstance(duration, DurationUnary) and not _has_sign(duration.operand):
        operand = duration.operand
        if isinstance(operand, DurationBinary) and operand.op in PRECEDENCE:
            return f"{duration.op}({_duration(operand)})"
    return f"({text})" if loose else text


def _duration_binding(duration: Duration) -> int:
    match duration:
        case DurationBinary(op=op):
            return PRECEDENCE.get(op, _ATOM)
        case DurationUnary():
            return UNARY_PRECEDENCE
        case DurationLiteral(nanoseconds=nanoseconds):
            return UNARY_PRECEDENCE if nanoseconds < 0 else _ATOM
        case _:
            return _ATOM


def _has_sign(duration: Duration) -> bool:
    return isinstance(duration, DurationUnary | DurationLiteral) and (
        _duration_binding(duration) == UNARY_PRECEDENCE
    )
