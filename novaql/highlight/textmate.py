"""The TextMate grammar for editors; `python -m docs.generate` writes it beside this file."""

from __future__ import annotations

import json
from pathlib import Path

from novaql.highlight.words import TERMINALS, WordKind, in_braces, outside

FILE = Path(__file__).with_name("novaql.tmLanguage.json")
SCOPES = {
    WordKind.COMMENT: "comment.line.number-sign.novaql",
    WordKind.DURATION: "constant.numeric.duration.novaql",
    WordKind.NUMBER: "constant.numeric.novaql",
    WordKind.KEYWORD: "keyword.other.novaql",
    WordKind.FUNCTION: "support.function.novaql",
    WordKind.METRIC: "variable.other.metric.novaql",
    WordKind.LABEL: "entity.other.attribute-name.label.novaql",
    WordKind.OPERATOR: "keyword.operator.novaql",
    WordKind.PUNCTUATION: "punctuation.separator.novaql",
}
_QUOTES = {'"': "string.quoted.double", "'": "string.quoted.single", "`": "string.quoted.other"}


def _rules(words: list[tuple[WordKind, str]]) -> list[dict[str, object]]:
    rules: list[dict[str, object]] = []
    for kind, regex in words:
        if kind is WordKind.STRING:
            rules.append({"include": "#strings"})
        elif kind in SCOPES:
            rules.append({"match": regex, "name": SCOPES[kind]})
    return rules


def grammar_text() -> str:
    """Return the grammar as JSON."""
    strings = [
        {
            "begin": quote,
            "end": quote,
            "name": f"{scope}.novaql",
            "patterns": []
            if quote == "`"
            else [{"match": r"\\.", "name": "constant.character.escape.novaql"}],
        }
        for quote, scope in _QUOTES.items()
    ]
    braces = {
        "begin": TERMINALS["LBRACE"],
        "end": TERMINALS["RBRACE"],
        "name": "meta.selector.novaql",
        "patterns": _rules(in_braces()),
    }
    grammar = {
        "name": "NovaQL",
        "scopeName": "source.novaql",
        "fileTypes": ["novaql", "promql"],
        "patterns": [braces, *_rules(outside())],
        "repository": {"strings": {"patterns": strings}},
    }
    return json.dumps(grammar, indent=1, ensure_ascii=False) + "\n"
