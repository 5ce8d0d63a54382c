"""The lexer for Pygments: entry point `pygments.lexers`, names `novaql` and `promql`."""

from __future__ import annotations

from typing import ClassVar

from pygments.lexer import RegexLexer
from pygments.token import (
    Comment,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Whitespace,
    _TokenType,
)

from novaql.highlight.words import WordKind, in_braces, outside

TOKENS: dict[WordKind, _TokenType] = {
    WordKind.COMMENT: Comment.Single,
    WordKind.STRING: String,
    WordKind.DURATION: Number.Integer.Long,
    WordKind.NUMBER: Number,
    WordKind.KEYWORD: Keyword,
    WordKind.FUNCTION: Name.Function,
    WordKind.METRIC: Name.Variable,
    WordKind.LABEL: Name.Attribute,
    WordKind.OPERATOR: Operator,
    WordKind.PUNCTUATION: Punctuation,
    WordKind.BLANK: Whitespace,
}


class NovaqlLexer(RegexLexer):
    """Words of a query; of a text that is no query, too."""

    name = "NovaQL"
    aliases: ClassVar[list[str]] = ["novaql", "promql"]
    filenames: ClassVar[list[str]] = ["*.novaql", "*.promql"]
    mimetypes: ClassVar[list[str]] = ["text/x-novaql"]
    tokens: ClassVar[dict[str, list[tuple[object, ...]]]] = {
        "root": [
            (r"\{", Punctuation, "braces"),
            *((regex, TOKENS[kind]) for kind, regex in outside()),
        ],
        "braces": [
            (r"\}", Punctuation, "#pop"),
            *((regex, TOKENS[kind]) for kind, regex in in_braces()),
        ],
    }
