"""The language: text ⇄ tree, types, and what every function is."""

from __future__ import annotations

from novaql.language.check import type_of
from novaql.language.layout import format_expr
from novaql.language.parse import parse
from novaql.language.signatures import AGGREGATORS, FUNCTIONS, Aggregator, Signature
from novaql.language.value_types import ValueType
from novaql.language.visit import children, left_spine, rewrite, walk

format = format_expr

__all__ = [
    "AGGREGATORS",
    "FUNCTIONS",
    "Aggregator",
    "Signature",
    "ValueType",
    "children",
    "format",
    "format_expr",
    "left_spine",
    "parse",
    "rewrite",
    "type_of",
    "walk",
]
