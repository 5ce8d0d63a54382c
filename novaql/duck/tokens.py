"""The tokens of a statement, from DuckDB's own tokenizer: a string or a comment is one token."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import duckdb

PARAMETER = "parameter"


class Token(NamedTuple):
    """A token that is no comment.

    kind        `identifier`, `keyword`, `operator`, `string_const`, `numeric_const`, `parameter`
    text        as written; a parameter as `$name` or `$1`, also where it is written `?`
    start, end  bytes of the statement in UTF-8
    """

    kind: str
    text: str
    start: int
    end: int

    @property
    def name(self) -> str | None:
        """The name in the token, without quotes; None: it is not a name."""
        if self.kind not in ("identifier", "keyword"):
            return None
        quoted = self.text.startswith('"')
        return self.text[1:-1].replace('""', '"') if quoted else self.text


def tokens_of(statement: str) -> list[Token]:
    """The tokens of a statement, also of one that does not parse."""
    return list(_with_parameters(_raw(statement)))


def sql_of(tokens: Iterable[Token]) -> str:
    """The tokens as text, without comments."""
    return " ".join(token.text for token in tokens)


def _raw(statement: str) -> Iterator[Token]:
    whole = statement.encode()
    found = duckdb.tokenize(statement)
    ends = [*(start for start, _ in found[1:]), len(whole)]
    for (start, kind), limit in zip(found, ends, strict=True):
        text = whole[start:limit].decode().rstrip()
        if kind is not duckdb.token_type.comment:
            yield Token(kind.name, text, start, start + len(text.encode()))


def _with_parameters(tokens: Iterable[Token]) -> Iterator[Token]:
    """`$` and `?` are joined with the name or number behind them; a bare `?` gets its number."""
    numbered = 0
    mark: Token | None = None
    for token in tokens:
        if mark is not None:
            if token.start == mark.end and token.kind != "operator":
                yield Token(PARAMETER, f"${token.text}", mark.start, token.end)
                mark = None
                continue
            if mark.text == "?":
                numbered += 1
                mark = mark._replace(kind=PARAMETER, text=f"${numbered}")
            yield mark
        mark = token if token.text in ("?", "$") else None
        if mark is None:
            yield token
    if mark is not None:
        yield mark._replace(kind=PARAMETER, text=f"${numbered + 1}") if mark.text == "?" else mark
