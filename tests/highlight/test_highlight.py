"""Colours of queries: every word of every known query has one, and none is lost."""

from __future__ import annotations

import json
import re
import tomllib
from importlib import import_module

import pytest
from pygments.token import Error, Keyword, Name, Number, String

from novaql.highlight import textmate
from novaql.highlight.lexer import NovaqlLexer
from novaql.highlight.words import WordKind
from novaql.language.signatures import AGGREGATORS, FUNCTIONS
from tests.support.repository.files import ROOT

_EVAL = re.compile(
    r"\s*eval\w*\s+(?:instant(?:\s+at\s+\S+)?|range\s+from\s+\S+\s+to\s+\S+\s+step\s+\S+)\s+(.+)"
)


def known_queries() -> list[str]:
    """Queries of every script here and beside the checkout, and the examples of the registry."""
    folders = [ROOT / "tests" / "promql", ROOT.parent / "shared" / "conformance"]
    scripts = sorted(path for folder in folders for path in folder.rglob("*.test"))
    queries = [
        found[1]
        for script in scripts
        for line in script.read_text(encoding="utf-8").splitlines()
        if (found := _EVAL.fullmatch(line))
    ]
    return queries + [row.example for rows in (FUNCTIONS, AGGREGATORS) for row in rows.values()]


def test_every_word_of_a_query_has_a_colour() -> None:
    queries, lexer = known_queries(), NovaqlLexer(stripnl=False, ensurenl=False)
    assert len(queries) > 1000

    for query in queries:
        tokens = list(lexer.get_tokens(query))
        assert "".join(text for _, text in tokens) == query
        assert [text for kind, text in tokens if kind is Error] == [], query


@pytest.mark.parametrize(
    ("query", "word", "kind"),
    [
        ('sum by (job) (rate(up{by="x"}[5m]))', "sum", Name.Function),
        ('sum by (job) (rate(up{by="x"}[5m]))', "rate", Name.Function),
        ('sum by (job) (rate(up{by="x"}[5m]))', "up", Name.Variable),
        ('rate(up{by="x"}[5m])', "by", Name.Attribute),
        ('rate(up{by="x"}[5m])', '"x"', String),
        ("rate + 1", "rate", Name.Variable),
        ("a unless on (x) b", "unless", Keyword),
        ("x > 1.5Ki", "1.5Ki", Number),
        ('{a="1" or b="2"}', "or", Keyword),
        ("let x = a in x", "let", Keyword),
    ],
)
def test_colours(query: str, word: str, kind: object) -> None:
    assert (kind, word) in list(NovaqlLexer().get_tokens(query))


def test_pygments_finds_the_lexer() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, name = project["entry-points"]["pygments.lexers"]["novaql"].partition(":")

    assert getattr(import_module(module), name) is NovaqlLexer
    assert NovaqlLexer.aliases == ["novaql", "promql"]


def test_the_grammar_for_editors_has_every_function() -> None:
    grammar = json.loads(textmate.FILE.read_text(encoding="utf-8"))
    rules = [rule["match"] for rule in grammar["patterns"] if "match" in rule]

    assert all(re.compile(rule) for rule in rules)
    for name in (*FUNCTIONS, *AGGREGATORS):
        named = [
            r["name"] for r in grammar["patterns"] if re.match(r.get("match", "$x"), f"{name}(")
        ]
        assert named[0] == textmate.SCOPES[WordKind.FUNCTION], name
