"""Names use the terms of docs/design/glossary.md, and none of the words that it has retired."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from novaql.server.settings import Settings
from novaql.server.telemetry import Telemetry
from tests.support.repository.files import ROOT, python_files, repository_files

RETIRED = re.compile(
    r"(?:^|_)("
    r"kept|keeps?|keeping|keeper|told|tells?|telling|rooms?|stands?|standings?|stood|whoever|who"
    r"|whom|whose|nobody|somebody|anybody|anyone|everybody|everyone|asks?|asked|asking|met|thinned"
    r"|said|says?|saying|heard|hears?|hearing|strangers?|happened|news|polite|bench|benches|doors?"
    r"|anew|loss(?:es)?|strat(?:um|a)|placings?|tangled|strung|sketch(?:es|ed)?|bundled?s?"
    r")(?=_|$)"
)
TERMS = re.compile(r"keep_alive|keep_firing(?=_|$)|keep_metric_names|^keep$")
"""Of HTTP, of alerting rules in Prometheus, of MetricsQL, and of relational algebra."""
TEXT = re.compile(
    r"\b(kept|told|tells?|telling|rooms?|who|whom|whoever|nobody|somebody|everybody|stands?|stood"
    r"|anew)\b",
    re.IGNORECASE,
)
"""Words that comments, docstrings and messages of the store do without."""
TEXT_ABOUT_PEOPLE = re.compile(TEXT.pattern.replace("who|whom|", ""), re.IGNORECASE)
"""Those of the server and the shell: users are people."""
HOUSES = ("novaql", "server", "tsdb")


def retired(name: str) -> bool:
    """Whether a name has a retired word: `KeptAnswers`, `kept_answers`, `_KEPT`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    return bool(RETIRED.search(TERMS.sub("", words)))


def names_in(text: str) -> Iterator[tuple[int, str]]:
    """The names that a module defines, and the fields of its lines of log."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr
            case ast.alias(asname=str(bound)):
                yield node.lineno, bound
            case ast.ExceptHandler(name=str(bound)) | ast.MatchAs(name=str(bound)):
                yield node.lineno, bound
            case ast.MatchStar(name=str(bound)):
                yield node.lineno, bound
            case ast.keyword(arg="extra", value=ast.Dict(keys=keys)):
                for key in keys:
                    if isinstance(key, ast.Constant):
                        yield node.value.lineno, str(key.value)


def checked_files() -> list[Path]:
    """All of the server and the library."""
    return [path for path in python_files() if path.parts[0] in HOUSES]


def test_no_retired_word_in_names() -> None:
    found = [
        f"{path}:{line}: {name}"
        for path in checked_files()
        for line, name in names_in((ROOT / path).read_text("utf-8"))
        if retired(name)
    ]

    assert found == []


def texts_in(source: str) -> Iterator[tuple[int, str]]:
    """The lines of a module's comments and strings, without doctests."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING):
            for line, text in enumerate(token.string.splitlines(), token.start[0]):
                if ">>>" not in text:
                    yield line, text


@pytest.mark.parametrize(
    ("house", "words", "persisted"),
    [
        ("novaql", TEXT_ABOUT_PEOPLE, ()),
        ("tsdb", TEXT, ()),
        ("server", TEXT_ABOUT_PEOPLE, ('"told"',)),
    ],
    ids=["novaql", "tsdb", "server"],
)
def test_no_retired_word_in_texts(
    house: str, words: re.Pattern[str], persisted: tuple[str, ...]
) -> None:
    """persisted: names of columns, which stay as they are."""
    found = [
        f"{path}:{line}: {text.strip()}"
        for path in checked_files()
        if path.parts[0] == house
        for line, text in texts_in((ROOT / path).read_text("utf-8"))
        if words.search(text) and text not in persisted
    ]

    assert found == []


PAGES = ("README.md", "CONTRIBUTING.md", "docs/README.md", "docs/tutorial.md")
FOLDERS_OF_PAGES = ("docs/how-to/", "docs/reference/", "docs/design/", *(f"{x}/" for x in HOUSES))
QUOTED = re.compile(r"`[^`]*`")
"""Code in a sentence, and texts of JavaScript with queries in them."""
FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)


def prose_in(source: str) -> Iterator[tuple[int, str]]:
    """The lines of a page, a script or a configuration, without quoted code."""
    unfenced = FENCED.sub(lambda block: "\n" * block[0].count("\n"), source)
    for number, line in enumerate(unfenced.splitlines(), 1):
        yield number, QUOTED.sub("", line)


def checked_pages() -> list[str]:
    """Pages of the documentation, and the README, scripts and configurations of each folder."""
    return [
        path
        for path in map(str, repository_files())
        if path in PAGES
        or (
            path.startswith(FOLDERS_OF_PAGES)
            and path.endswith((".js", ".md", ".toml"))
            and "/vendor/" not in path
        )
    ]


def test_no_retired_word_in_pages() -> None:
    found = [
        f"{path}:{line}: {text.strip()}"
        for path in checked_pages()
        for line, text in prose_in((ROOT / path).read_text("utf-8"))
        if TEXT_ABOUT_PEOPLE.search(text)
    ]

    assert found == []


def test_quoted_code_of_pages_may_have_any_word() -> None:
    source = "A `room` here,\n```python\nroom\n```\nno room there,\nconst told = `${room}`;\n"

    found = [(n, t) for n, t in prose_in(source) if TEXT_ABOUT_PEOPLE.search(t)]
    assert found == [(5, "no room there,"), (6, "const told = ;")]


def test_the_pages_are_read() -> None:
    assert {
        "README.md",
        "docs/how-to/alerts.md",
        "docs/reference/extensions.md",
        "docs/design/glossary.md",
        "server/README.md",
        "server/console/static/js/chart.js",
        "server/deploy/novaql.toml",
        "tsdb/FORMAT.md",
    } <= {*checked_pages()}


def test_texts_of_the_server_may_be_about_users() -> None:
    assert not TEXT_ABOUT_PEOPLE.search("a user who is on call")
    assert TEXT_ABOUT_PEOPLE.search("whoever is told")


def test_every_kind_of_text_is_seen() -> None:
    source = '"""A\nroom."""\nx = 1  # told\ny = "kept"\n'

    assert [line for line, text in texts_in(source) if TEXT.search(text)] == [2, 3, 4]


def test_no_retired_word_in_names_of_files() -> None:
    paths = checked_files()

    assert [str(path) for path in paths if any(map(retired, path.with_suffix("").parts))] == []


def test_no_retired_word_in_settings_and_metrics() -> None:
    telemetry = Telemetry("1", dict)
    families = telemetry.families()
    names = [field.name for field in fields(Settings)]
    names += [str(family["name"]) for family in families]
    names += [label for family in families for s in family["samples"] for label in s["labels"]]

    assert [name for name in names if retired(name)] == []


@pytest.mark.parametrize(
    "name", ["Kept", "KeptAnswers", "_told", "reason_to_tell", "MAX_KEPT", "HTTPRoom", "stands_in"]
)
def test_retired_names_are_found(name: str) -> None:
    assert retired(name)


@pytest.mark.parametrize(
    "name", ["keep_alive_s", "keep_firing_for_ms", "method", "task", "Standard", "whole", "Metric"]
)
def test_other_names_are_not(name: str) -> None:
    assert not retired(name)


def test_every_kind_of_name_is_seen() -> None:
    text = (
        "import a as b\nfor c in d: pass\ndef e(f, *g, h=1, **i): self.j = 1\n"
        "class K: l: int = 0\ntry: pass\nexcept X as m: pass\n"
        "match n:\n    case [*o, p]: pass\nlog.info('', extra={'q': 1})\nr = [s for s in t]\n"
    )
    assert {name for _, name in names_in(text)} == set("bcefghijKlmopqrs")


def test_the_files_are_read() -> None:
    assert {
        Path("server/settings.py"),
        Path("novaql/engine.py"),
        Path("novaql/export/csv_text.py"),
        Path("tsdb/database.py"),
    } <= {*checked_files()}
