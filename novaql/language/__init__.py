"""The language: text ⇄ tree, types, and the registry of functions."""

from __future__ import annotations

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
    MatrixSelector,
    Member,
    Number,
    Paren,
    RetainNames,
    Shifted,
    Subquery,
    Text,
    Unary,
    VectorSelector,
    left_spine,
)
from novaql.language.catalog import function_entries
from novaql.language.check import type_of
from novaql.language.durations import format_duration
from novaql.language.layout import format_expr
from novaql.language.parse import parse, parse_core
from novaql.language.signatures import (
    AGGREGATORS,
    FUNCTIONS,
    Aggregator,
    Signature,
    signature_of,
)
from novaql.language.value_types import ValueType
from novaql.language.visit import children, walk

__all__ = [
    "AGGREGATORS",
    "FUNCTIONS",
    "Aggregate",
    "Aggregator",
    "At",
    "AtEdge",
    "Binary",
    "Binding",
    "Call",
    "Cardinality",
    "Duration",
    "DurationBinary",
    "DurationLiteral",
    "DurationParen",
    "DurationQuery",
    "DurationReference",
    "DurationUnary",
    "Expr",
    "Let",
    "MatrixSelector",
    "Member",
    "Number",
    "Paren",
    "RetainNames",
    "Shifted",
    "Signature",
    "Subquery",
    "Text",
    "Unary",
    "ValueType",
    "VectorSelector",
    "children",
    "format_duration",
    "format_expr",
    "function_entries",
    "left_spine",
    "parse",
    "parse_core",
    "signature_of",
    "type_of",
    "walk",
]
