"""The chart of a notebook in a browser: it shows values under the pointer, and zooms."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page

from tests.support.generators.results import matrix
from tests.support.programs.chromium import chromium

STEPS = 101
"""A step a second from the epoch on, as `matrix` makes them."""


def _point(page: Page, chart: Locator, share: float) -> None:
    """Move the pointer to a share of the chart's time range."""
    box = chart.bounding_box()
    assert box is not None
    inside = (62 + share * (860 - 62 - 24)) / 860
    page.mouse.move(box["x"] + inside * box["width"], box["y"] + box["height"] / 2)


@pytest.mark.slow
def test_values_are_shown_under_the_pointer_and_a_drag_zooms(tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>"
    result = matrix(
        [
            ({"a": "rises"}, [float(n) for n in range(STEPS)]),
            ({"a": evil}, [0.1 + 0.2 if n != 50 else None for n in range(STEPS)]),
        ]
    )
    with chromium(tmp_path) as browser:
        page = browser.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.evaluate("html => { document.body.innerHTML = html }", result._repr_html_())
        chart = page.locator("svg.nq-chart")
        tip = page.locator(".nq-tip")

        def shown() -> list[str]:
            return tip.locator("div").all_text_contents()

        times = chart.get_attribute("data-range")
        assert times is not None
        begin, end = map(int, times.split())
        step = (end - begin) // (STEPS - 1)
        _point(page, chart, 0.25)
        assert shown() == ['{a="rises"} 25', f'{{a="{evil}"}} 0.30000000000000004']
        _point(page, chart, 0.5)
        assert shown() == ['{a="rises"} 50']  # the other has no sample there
        page.mouse.move(0, 0)
        assert not tip.is_visible()

        _point(page, chart, 0.2)
        page.mouse.down()
        _point(page, chart, 0.4)
        page.mouse.up()
        labels = chart.locator(".nq-times text").all_text_contents()
        assert len(labels) == 3
        assert all(len(label) == len("1970-01-01 00:00:00") for label in labels)
        _point(page, chart, 0.5)
        assert shown()[0] == '{a="rises"} 30'
        _point(page, chart, 0)
        assert shown()[0] == '{a="rises"} 20'
        transform = chart.locator(".nq-lines").get_attribute("transform")
        assert transform is not None
        assert transform.startswith("matrix(")

        page.mouse.dblclick(*_middle(chart))
        _point(page, chart, 0.75)
        assert shown()[0] == '{a="rises"} 75'
        assert step > 0
        assert errors == []


def _middle(chart: Locator) -> tuple[float, float]:
    box = chart.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
