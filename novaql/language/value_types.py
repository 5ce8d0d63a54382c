"""The four types a PromQL expression can have."""

from __future__ import annotations

from enum import StrEnum


class ValueType(StrEnum):
    SCALAR = "scalar"
    VECTOR = "instant vector"
    MATRIX = "range vector"
    STRING = "string"
