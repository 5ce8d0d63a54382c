"""Text of a tree, on one line or broken over lines where it would be too long.

A part that fits remains on its line. Otherwise the arguments of a call, the inside of parentheses
and the sides of an operator get separate lines; selectors are never broken.
"""

from __future__ import annotations

from typing import Literal

from novaql.language.ast import (
    Aggregate,
    Binary,
    Binding,
    Call,
    Expr,
    Let,
    Paren,
    RetainNames,
    Shifted,
    Subquery,
    Text,
    Unary,
    left_spine,
)
from novaql.language.pipes import operand_place
from novaql.language.printer import (
    bound,
    bound_name,
    brackets,
    closed,
    enclosed_operand,
    enclosed_right,
    head,
    left_is_plain,
    one_line,
    operator,
    shifts,
    tail,
)
from novaql.language.visit import children

_INDENT = "  "


Style = Literal["nested", "pipes"]


def format_expr(expr: Expr, *, width: int | None = None, style: Style = "nested") -> str:
    """Return the canonical text of a tree: on one line, or with `width` on lines of at most that
    many characters, as far as line breaks allow.

    style  "pipes": calls and aggregations on top of the tree are written as `operand |> function`
    """
    if style == "pipes":
        return _piped(expr, width)
    text = one_line(expr)
    if width is None or len(text) <= width:
        return text
    return _broken(expr, width)


def _piped(expr: Expr, width: int | None) -> str:
    """The chain of functions around the innermost operand, a stage on each line if one is full."""
    stages: list[str] = []
    node = expr
    while True:
        inner = node.inner if isinstance(node, RetainNames) else node
        names = " keep_metric_names" if isinstance(node, RetainNames) else ""
        match inner:
            case Aggregate() if not names:
                parameter = () if inner.parameter is None else (inner.parameter,)
                others = (*parameter, *inner.more)
                inside = f"({', '.join(map(one_line, others))})" if others else ""
                stages.append(f"{head(inner)}{inside}".rstrip() + tail(inner))
                below: Expr = inner.operand
            case Call(function=function, arguments=arguments):
                place = operand_place(function, len(arguments))
                if place is None or place >= len(arguments):
                    break
                rest = [one_line(a) for i, a in enumerate(arguments) if i != place]
                stages.append(function + (f"({', '.join(rest)})" if rest else "") + names)
                below = arguments[place]
            case _:
                break
        if isinstance(below, Let | Text):
            stages.pop()
            break
        node = below
    first = format_expr(node, width=width)
    stages.reverse()
    line = " |> ".join((first, *stages))
    if width is None or (len(line) <= width and "\n" not in line):
        return line
    return "\n|> ".join((first, *stages))


def _bound(binding: Binding, width: int) -> str:
    text = bound(binding)
    if len(text) <= width:
        return text
    value = _indented(_broken(binding.value, width - len(_INDENT)))
    return f"{bound_name(binding)} =\n{value}"


def _broken(expr: Expr, width: int) -> str:
    text = one_line(expr)
    if len(text) <= width:
        return text
    match expr:
        case Paren(inner=inner):
            return _listed("(", (inner,), width)
        case Call(function=function, arguments=arguments):
            return _listed(f"{function}(", arguments, width)
        case Aggregate():
            return _listed(f"{head(expr)}(", children(expr), width) + tail(expr)
        case Binary():
            return _broken_chain(left_spine(expr), width)
        case Unary(op=op, operand=operand):
            return op + enclosed_operand(operand, _broken(operand, width - len(op)))
        case Subquery(inner=inner):
            return closed(inner, _broken(inner, width)) + brackets(expr)
        case Shifted(inner=inner):
            return closed(inner, _broken(inner, width)) + shifts(expr)
        case RetainNames(inner=inner):
            return closed(inner, _broken(inner, width)) + " keep_metric_names"
        case Let(bindings=bindings, body=body):
            values = [_bound(binding, width - len(_INDENT)) for binding in bindings]
            inside = _indented(",\n".join(values))
            return f"let\n{inside}\nin\n{_broken(body, width)}"
        case _:
            return text


def _broken_chain(spine: list[Binary], width: int) -> str:
    """A chain of operators: as many parts from the left as fit on one line, then a line for each
    part."""
    lines = [_broken(spine[0].left, width)]
    opened = 0
    for node in spine:
        if not left_is_plain(node):
            if lines == ["+Inf"]:
                lines = ["Inf"]
            else:
                opened += 1
                lines[-1] += ")"
        right = enclosed_right(node, _broken(node.right, width))
        together = " ".join((*lines, operator(node), right)) if len(lines) == 1 else "\n"
        if "\n" not in together and opened + len(together) <= width:
            lines = [together]
        else:
            lines += [operator(node), right]
    return "(" * opened + "\n".join(lines)


def _listed(opening: str, items: tuple[Expr, ...], width: int) -> str:
    """`opening`, each item on separate lines, `)`."""
    if not items:
        return f"{opening})"
    inside = ",\n".join(_broken(item, width - len(_INDENT)) for item in items)
    return f"{opening}\n{_indented(inside)}\n)"


def _indented(text: str) -> str:
    return _INDENT + text.replace("\n", f"\n{_INDENT}")
