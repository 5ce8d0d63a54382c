"""Text → tree that is not checked yet. All that needs Lark is imported by this file alone."""

from __future__ import annotations

from lark.exceptions import UnexpectedInput

from novaql.language.ast import Expr
from novaql.language.grammar import parser
from novaql.language.hints import explain


def read(text: str) -> Expr:
    """Parse a text by the grammar. Raises `Fault`."""
    try:
        return parser().parse(text)  # type: ignore[return-value]  # what the builder makes
    except UnexpectedInput as unexpected:
        raise explain(unexpected, text) from None
