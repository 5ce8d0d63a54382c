"""Where `|>` puts its left side."""

from __future__ import annotations

from novaql.language.signatures import FUNCTIONS
from novaql.language.value_types import ValueType


def operand_place(function: str) -> int | None:
    """Return the place of the first vector among the arguments of a function; None: it has none.

    A function that is not in the registry may be one of `let`: it takes the operand first.
    """
    signature = FUNCTIONS.get(function)
    if signature is None:
        return 0
    places = enumerate(signature.arguments)
    vectors = (ValueType.VECTOR, ValueType.MATRIX)
    return next((place for place, wanted in places if wanted in vectors), None)
