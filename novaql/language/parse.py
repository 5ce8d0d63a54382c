"""Text → checked tree."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from novaql.errors import SyntaxProblem
from novaql.language.ast import Expr
from novaql.language.check import check
from novaql.language.depth import check_depth
from novaql.language.fault import Fault
from novaql.lazy_exports import lazy_module
from novaql.span import Span
from novaql.tsdb.runtime.lru_cache import ByteCache

if TYPE_CHECKING:
    from novaql.language import reading
else:
    reading = lazy_module("novaql.language.reading")  # loads Lark: 30 ms

MAX_LENGTH = 1_000_000
MAX_WORDS = 100_000
"""Names, numbers, texts, operators, brackets, comments: about a second of reading."""

# A text that is not closed ends with its line, so that none is looked through twice.
_WORD = re.compile(
    r'"(?:[^"\\\n]|\\.)*+"?'
    r"|'(?:[^'\\\n]|\\.)*+'?"
    r"|`[^`]*`?"
    r"|#[^\n]*"
    r"|\w+"
    r"|[^\w\s]"
)

_TREE_BYTES = 1_000
_BYTES_PER_CHARACTER = 100
"""About the size of a small tree, and of a tree for each character of its text."""

_TREES: ByteCache[tuple[Expr, str]] = ByteCache(
    32 << 20, lambda entry: _TREE_BYTES + _BYTES_PER_CHARACTER * len(entry[1])
)


def parse(text: str) -> Expr:
    """Parse a query text to a type-checked tree.

    Raises `SyntaxProblem`, `TypeProblem` or `UnknownName`. Caches trees of recent texts; they
    are immutable.
    """
    entry = _TREES.get(text)
    if entry is None:
        entry = _parse(text), text
        _TREES.put(text, entry)
    return entry[0]


def _parse(text: str) -> Expr:
    _check_text(text)
    try:
        expr = reading.read(text)
        check_depth(expr)
        check(expr)
    except Fault as fault:
        raise fault.located(text) from None
    return expr


def _check_text(text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise SyntaxProblem(
            f"the query is longer than {MAX_LENGTH} characters",
            text,
            Span(MAX_LENGTH, MAX_LENGTH + 1),
        )
    if len(text) > MAX_WORDS:
        words = _WORD.finditer(text)
        surplus = next(islice(words, MAX_WORDS, None), None)
        if surplus is not None:
            raise SyntaxProblem(
                f"the query has more than {MAX_WORDS} words", text, Span(*surplus.span())
            )
    lone = next((i for i, c in enumerate(text) if "\ud800" <= c <= "\udfff"), None)
    if lone is not None:
        raise SyntaxProblem("the query is not valid UTF-8", text, Span(lone, lone + 1))
