"""The precedence of operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

PRECEDENCE: dict[str, int] = {
    "default": 1,
    "if": 2, "ifnot": 2,
    "or": 3,
    "and": 4, "unless": 4,
    "==": 5, "!=": 5, ">": 5, "<": 5, ">=": 5, "<=": 5, "</": 5, ">/": 5,
    "+": 6, "-": 6,
    "*": 7, "/": 7, "%": 7, "atan2": 7,
    "^": 8,
}  # fmt: skip
UNARY_PRECEDENCE = PRECEDENCE["*"]
RIGHT_ASSOCIATIVE = frozenset({"^"})

SET_OPERATORS = frozenset({"and", "or", "unless"})
EXTENSIONS = frozenset({"default", "if", "ifnot"})
"""Operators of MetricsQL. They match like set operators, and take scalars."""
MANY_TO_MANY = SET_OPERATORS | EXTENSIONS
COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
TRIM_OPERATORS = frozenset({"</", ">/"})

Node = TypeVar("Node")


class OperatorStack(Generic[Node]):
    """Builds a tree of operands and operators in the order of the text.

    `build` of an operator takes its operands: one for a sign, two for the others. No method
    recurses, so a long chain of operators needs no stack.
    """

    def __init__(self) -> None:
        self._operands: list[Node] = []
        self._waiting: list[tuple[int, bool, Callable[..., Node]]] = []

    def operand(self, node: Node) -> None:
        self._operands.append(node)

    def sign(self, build: Callable[[Node], Node]) -> None:
        self._waiting.append((UNARY_PRECEDENCE, True, build))

    def operator(self, op: str, build: Callable[[Node, Node], Node]) -> None:
        precedence = PRECEDENCE[op]
        self._settle(precedence + 1 if op in RIGHT_ASSOCIATIVE else precedence)
        self._waiting.append((precedence, False, build))

    def tree(self) -> Node:
        """The complete tree; every operator must have its operands."""
        self._settle(0)
        (root,) = self._operands
        return root

    def _settle(self, least: int) -> None:
        """Build every waiting operator that binds at least that closely."""
        while self._waiting and self._waiting[-1][0] >= least:
            _, is_sign, build = self._waiting.pop()
            right = self._operands.pop()
            if is_sign:
                self._operands.append(build(right))
            else:
                self._operands.append(build(self._operands.pop(), right))
