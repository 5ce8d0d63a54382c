"""Generated pages are what the code says now; every example of the registry is a query."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import generate
from novaql.language import parse
from novaql.language.signatures import AGGREGATORS, FUNCTIONS

EXAMPLES = {row.name: row.example for rows in (FUNCTIONS, AGGREGATORS) for row in rows.values()}


@pytest.mark.parametrize("path", generate.pages(), ids=lambda path: path.name)
def test_page_is_current(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == generate.pages()[path], (
        "run `python -m docs.generate` and commit what it writes"
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_parses_and_uses_what_it_shows(name: str) -> None:
    parse(EXAMPLES[name])

    assert name in EXAMPLES[name]
