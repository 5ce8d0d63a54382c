"""The table of a notebook in a browser: a press of a heading sorts the rows."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.support.generators.results import matrix, vector
from tests.support.programs.chromium import chromium


@pytest.mark.slow
def test_a_press_of_a_heading_sorts_the_rows(tmp_path: Path) -> None:
    values = {"node-10": 2.5, "node-2": 10, "node-1": -math.inf, "b": 1e20}
    rows = vector([({"host": host}, value) for host, value in values.items()])
    drawn = matrix([({"host": host}, [value, 0]) for host, value in values.items()])
    with chromium(tmp_path) as browser:
        page = browser.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))

        def column(number: int) -> list[str]:
            return page.locator(f"tbody td:nth-child({number})").all_text_contents()

        # As a notebook inserts it: without running script elements.
        page.evaluate("html => { document.body.innerHTML = html }", rows._repr_html_())
        assert column(1) == list(values)
        value = page.get_by_role("button", name="value")
        value.click()
        assert column(2) == ["-Inf", "2.5", "10", "1e+20"]
        assert page.locator("th[aria-sort]").all_text_contents() == ["value"]
        value.press("Enter")
        assert column(2) == ["1e+20", "10", "2.5", "-Inf"]
        assert value.locator("..").get_attribute("aria-sort") == "descending"
        page.get_by_role("button", name="host").click()
        assert column(1) == ["b", "node-1", "node-2", "node-10"]

        page.evaluate("html => { document.body.innerHTML = html }", drawn._repr_html_())
        page.get_by_role("button", name="max").click()
        assert column(2) == ["node-1", "node-10", "node-2", "b"]
        page.locator("thead th").first.click()  # the corner above the colours
        assert column(2) == ["node-1", "node-10", "node-2", "b"]
        assert errors == []
