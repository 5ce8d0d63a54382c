"""The argument that `|>` fills with its left side."""

from __future__ import annotations

from novaql.language.signatures import FUNCTIONS
from novaql.language.value_types import ValueType


def operand_place(function: str, count: int) -> int | None:
    """Return the place of the first vector among the arguments of a function; None: it has none.

    count  how many arguments there are, with the operand

    A function that is not in the registry may be one of `let`: it takes the operand first.
    """
    signature = FUNCTIONS.get(function) or FUNCTIONS.get(function.lower())
    if signature is None:
        return 0
    if not signature.arguments:
        return None
    places = range(max(count, len(signature.arguments)))
    vectors = (ValueType.VECTOR, ValueType.MATRIX)
    return next((i for i in places if signature.argument_type(i, count) in vectors), None)
