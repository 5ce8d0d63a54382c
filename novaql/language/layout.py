"""Text of a tree, on one line or broken over lines where it would be too long.

What fits stays on its line. Else the arguments of a call, the inside of parentheses and the sides
of an operator get lines of their own; selectors are never broken.
"""

from __future__ import annotations

from novaql.language.ast import Aggregate, Binary, Call, Expr, Paren, Subquery, Unary
from novaql.language.printer import (
    brackets,
    closed,
    enclosed_left,
    enclosed_operand,
    enclosed_right,
    head,
    one_line,
    operands,
    operator,
)

_INDENT = "  "


def format_expr(expr: Expr, *, width: int | None = None) -> str:
    """Canonical text of a tree: on one line, or with `width` on lines of at most so many
    characters, as far as breaking can do it.
    """
    text = one_line(expr)
    if width is None or len(text) <= width:
        return text
    return _broken(expr, width)


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
            return _listed(f"{head(expr)}(", operands(expr), width)
        case Binary(left=left, right=right):
            above = enclosed_left(expr, _broken(left, width))
            return f"{above}\n{operator(expr)}\n{enclosed_right(expr, _broken(right, width))}"
        case Unary(op=op, operand=operand):
            return op + enclosed_operand(expr, operand, _broken(operand, width - len(op)))
        case Subquery(inner=inner):
            return closed(inner, _broken(inner, width)) + brackets(expr)
        case _:
            return text


def _listed(opening: str, items: tuple[Expr, ...], width: int) -> str:
    """`opening`, each item on lines of its own, `)`."""
    if not items:
        return f"{opening})"
    inside = ",\n".join(_broken(item, width - len(_INDENT)) for item in items)
    return f"{opening}\n{_indented(inside)}\n)"


def _indented(text: str) -> str:
    return _INDENT + text.replace("\n", f"\n{_INDENT}")
