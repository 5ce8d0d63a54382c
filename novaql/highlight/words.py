"""Kinds of words and their regular expressions, from the grammar and the registry.

The grammar's lexer determines which words are valid at a place; a highlighter cannot. So the order
of the kinds decides, and only braces have an order of their own, since labels are in them.
"""

from __future__ import annotations

import re
from enum import StrEnum
from importlib.resources import files

from novaql.language.signatures import FUNCTIONS

_TERMINAL = re.compile(r"^([A-Z_]+)(?:\.\d+)?: (?:/(.*)/(i?)|\"(.*)\")$", re.MULTILINE)


class WordKind(StrEnum):
    """What a word is, for a reader."""

    COMMENT = "comment"
    STRING = "string"
    DURATION = "duration"
    NUMBER = "number"
    KEYWORD = "keyword"
    FUNCTION = "function"
    METRIC = "metric"
    LABEL = "label"
    OPERATOR = "operator"
    PUNCTUATION = "punctuation"
    BLANK = "blank"


def _terminals() -> dict[str, str]:
    """Every terminal of the grammar, as a regular expression."""
    text = files("novaql.grammar").joinpath("lexical.lark").read_text(encoding="utf-8")
    return {
        name: re.escape(literal) if literal else f"(?i:{regex})" if flag else f"(?:{regex})"
        for name, regex, flag, literal in _TERMINAL.findall(text)
    }


TERMINALS = _terminals()
_WORDS = (  # noqa: SIM905 - a list of words
    "SET_OPERATOR BY WITHOUT BOOL ON IGNORING GROUP FILL OFFSET EXTENDED LET WITH IN KEEP LIMIT "
    "PREFIX"
).split()
_KNOWN = "|".join(sorted((*FUNCTIONS, "min_of", "max_of"), key=len, reverse=True))
_BETWEEN = [(WordKind.BLANK, ["BLANK"]), (WordKind.COMMENT, ["COMMENT"])]
_KINDS = [
    *_BETWEEN,
    (WordKind.STRING, ["STRING"]),
    (WordKind.DURATION, ["DURATION", "INTERVAL"]),
    (WordKind.NUMBER, ["SIZE", "NUMBER", "CONSTANT"]),
    (WordKind.FUNCTION, ["AGGREGATOR"]),
    (WordKind.KEYWORD, _WORDS),
    (WordKind.OPERATOR, ["PIPE", "COMPARISON", "MATCH_OPERATOR", "ARITHMETIC", "SIGN", "AT"]),
    (WordKind.METRIC, ["IDENT"]),
    (WordKind.PUNCTUATION, ["LPAR", "RPAR", "LSQB", "RSQB", "COMMA", "COLON"]),
]
_IN_BRACES = [
    *_BETWEEN,
    (WordKind.STRING, ["STRING"]),
    (WordKind.KEYWORD, ["OR"]),
    (WordKind.LABEL, ["LABEL"]),
    (WordKind.OPERATOR, ["MATCH_OPERATOR", "SIGN"]),
    (WordKind.PUNCTUATION, ["LPAR", "RPAR", "COMMA"]),
]


def _patterns(kinds: list[tuple[WordKind, list[str]]]) -> list[tuple[WordKind, str]]:
    return [(kind, TERMINALS[name]) for kind, names in kinds for name in names]


def outside() -> list[tuple[WordKind, str]]:
    """Kinds and expressions outside of braces, the first that matches counts."""
    function = (WordKind.FUNCTION, rf"(?:{_KNOWN})(?=(?:[ \t\r\n]|#[^\n]*\n)*\()")
    found = _patterns(_KINDS)
    found.insert(next(i for i, (kind, _) in enumerate(found) if kind is WordKind.KEYWORD), function)
    return found


def in_braces() -> list[tuple[WordKind, str]]:
    """Kinds and expressions between `{` and `}`."""
    return _patterns(_IN_BRACES)
