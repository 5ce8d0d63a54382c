"""Generated pages are what the code says now; every example of the registry has an output."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import generate
from docs.example_data import output_of
from novaql.language import parse
from novaql.language.signatures import AGGREGATORS, FUNCTIONS, Aggregator, Signature

ROWS = [*FUNCTIONS.values(), *AGGREGATORS.values()]


@pytest.mark.parametrize("path", generate.PAGES, ids=lambda path: path.name)
def test_page_is_current(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == generate.PAGES[path](), (
        "run `python -m docs.generate` and commit what it writes"
    )


def test_signatures_show_options_by_name_and_coroutines() -> None:
    page = generate.python_page()

    assert "\nmemory(**options: Any) -> Database\n" in page
    assert "\nload(self, data: Any, **options: Any) -> ImportReport\n" in page
    assert "\nasync query_async(self, expr: QueryLike, **options: Any) -> Result\n" in page


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_example_uses_what_it_shows_and_has_a_result(row: Signature | Aggregator) -> None:
    parse(row.example)

    assert row.name in row.example
    assert output_of(row)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_other_languages_are_named_as_differences(row: Signature | Aggregator) -> None:
    languages = ("MetricsQL", "PromQL")

    assert not any(language in row.doc for language in languages)
    assert not row.differences or any(language in row.differences for language in languages)
