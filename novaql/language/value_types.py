"""The four types a PromQL expression can have."""

from __future__ import annotations

from enum import StrEnum


class ValueType(StrEnum):
    """The type of an expression, by its name in messages."""

    SCALAR = "scalar"
    VECTOR = "instant vector"
    MATRIX = "range vector"
    STRING = "string"


ARTICLES = {
    ValueType.SCALAR: "a scalar",
    ValueType.VECTOR: "an instant vector",
    ValueType.MATRIX: "a range vector",
    ValueType.STRING: "a string",
}
