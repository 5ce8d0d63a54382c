"""Text of a tree, on one line or broken over lines where it would be too long.

What fits stays on its line. Else the arguments of a call, the inside of parentheses and the sides
of an operator get lines of their own; selectors are never broken.
"""

from __future__ import annotations

from novaql.language.ast import (
    Aggregate,
    Binary,
    Call,
    Expr,
    Paren,
    Subquery,
    Unary,
    left_spine,
)
from novaql.language.printer import (
    brackets,
    closed,
    enclosed_operand,
    enclosed_right,
    head,
    left_is_plain,
    one_line,
    operator,
)
from novaql.language.visit import children

_INDENT = "  "


def format_expr(expr: Expr, *, width: int | None = None) -> str:
    """Return the canonical text of a tree: on one line, or with `width` on lines of at most that
    many characters, as far as line breaks allow.
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
            return _listed(f"{head(expr)}(", children(expr), width)
        case Binary():
            return _broken_chain(left_spine(expr), width)
        case Unary(op=op, operand=operand):
            return op + enclosed_operand(operand, _broken(operand, width - len(op)))
        case Subquery(inner=inner):
            return closed(inner, _broken(inner, width)) + brackets(expr)
        case _:
            return text


def _broken_chain(spine: list[Binary], width: int) -> str:
    """A chain of operators: on one line as far from the left as fits, then a line for each part."""
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
    """`opening`, each item on lines of its own, `)`."""
    if not items:
        return f"{opening})"
    inside = ",\n".join(_broken(item, width - len(_INDENT)) for item in items)
    return f"{opening}\n{_indented(inside)}\n)"


def _indented(text: str) -> str:
    return _INDENT + text.replace("\n", f"\n{_INDENT}")
