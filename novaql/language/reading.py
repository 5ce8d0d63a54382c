"""Text → tree that is not checked yet. Only this file imports the modules that need Lark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lark.exceptions import UnexpectedInput

from novaql.language.ast import Expr
from novaql.language.expand import Extension
from novaql.language.grammar import parser
from novaql.language.parsed import NOTED
from novaql.lazy_exports import lazy_module

if TYPE_CHECKING:
    from novaql.language import hints
else:  # only mistakes need it
    hints = lazy_module("novaql.language.hints")


def read(text: str) -> tuple[Expr, list[Extension]]:
    """Parse a text by the grammar; return the tree, and the extensions of PromQL in the text.

    Raises `Fault`.
    """
    NOTED.extensions = []
    try:
        tree: Expr = parser().parse(text)  # type: ignore[assignment]  # what the builder makes
    except UnexpectedInput as unexpected:
        raise hints.explain(unexpected, text) from None
    return tree, NOTED.extensions
