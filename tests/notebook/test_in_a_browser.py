"""A notebook is executed without a browser; its chart is then looked at in one."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.programs.chromium import chromium

DATA = """\
import pandas as pd
load = pd.DataFrame(
    {"time": pd.date_range("2026-03-01", periods=61, freq="1min"), "load": range(61)}
)
%load_ext novaql
%novaql --data load
"""


@pytest.mark.slow
def test_the_chart_of_an_executed_notebook_shows_values(tmp_path: Path) -> None:
    cells = [DATA, "%novaql --start 2026-03-01 --step 1m load"]
    made = [nbformat.v4.new_code_cell(cell) for cell in cells]  # type: ignore[no-untyped-call]
    notebook = nbformat.v4.new_notebook(cells=made)  # type: ignore[no-untyped-call]
    NotebookClient(notebook, timeout=600).execute()
    html = notebook.cells[1].outputs[0].data["text/html"]

    with chromium(tmp_path) as browser:
        page = browser.new_page()
        page.evaluate("html => { document.body.innerHTML = html }", html)
        box = page.locator("svg.nq-chart").bounding_box()
        assert box is not None
        middle = (62 + (860 - 24)) / 2 / 860  # of the plot: half past midnight
        page.mouse.move(box["x"] + middle * box["width"], box["y"] + 20)
        tip = page.locator(".nq-tip")

        assert tip.is_visible()
        assert tip.inner_text().startswith("2026-03-01 00:30:00")
        assert tip.locator("b").all_text_contents() == ["30"]
