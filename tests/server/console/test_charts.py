"""What the chart and the table draw: many lines, and native histograms, in the real browser."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from novaql.server.auth.roles import Role
from tests.support.messages.remote_write_messages import message_of, packed
from tests.support.programs.axe import serious_findings
from tests.support.programs.console_page import Console
from tests.support.servers.http_server import WRITE_HEADERS, LocalServer, local_server

pytestmark = pytest.mark.slow

SERIES, STEPS = 560, 60


@pytest.fixture(scope="module")
def charts() -> Iterator[LocalServer]:
    """560 series whose values grow with their number, the first ones last by name; histograms."""
    now = int(time.time()) // 60 * 60  # not that of the import, half an hour before
    times = [now - 60 * (STEPS - 1 - step) for step in range(STEPS)]
    with local_server() as server:
        many = [
            (
                {"__name__": "load", "n": f"{n:03}"},
                [(at * 1000, float(n) + math.sin(at / 600)) for at in times],
            )
            for n in range(SERIES)
        ]
        assert server.write(many).status_code == 204
        assert _write_histograms(server, times) == 204
        yield server


def _write_histograms(server: LocalServer, times: list[int]) -> int:
    """`latency` of two services; most observations of `busy` move from (1, 2] to (4, 8]."""
    names = ("busy", "calm")
    message = message_of([({"__name__": "latency", "service": name}, []) for name in names])
    for series, scale in zip(message.timeseries, (100, 1), strict=True):
        for step, at in enumerate(times):
            one = series.histograms.add(
                schema=0, count_int=13 * scale, sum=30.0 * scale, timestamp=at * 1000
            )
            counts = [10, 2, 1, 0] if step < STEPS // 2 else [0, 1, 2, 10]
            one.positive_spans.add(offset=1, length=4)
            scaled = [count * scale for count in counts]
            deltas = [b - a for a, b in zip([0, *scaled], scaled, strict=False)]
            one.positive_deltas.extend(deltas)
    headers = WRITE_HEADERS | server.bearer(Role.OPERATOR)
    status: int = server.client.post(
        "/api/v1/write", content=packed(message), headers=headers
    ).status_code
    return status


@pytest.fixture
def page(browser: BrowserContext, charts: LocalServer) -> Iterator[Console]:
    tab = browser.new_page()
    tab.set_default_timeout(20_000)
    made = Console(tab, f"{charts.client.base_url}/", charts.tokens[Role.READ_ONLY])
    tab.on("console", made.hear)
    tab.on("pageerror", lambda error: made.complaints.append(str(error)))
    yield made
    assert made.complaints == []
    tab.close()


def over(page: Page, across: float, down: float) -> tuple[float, float]:
    """A place in the plot, as shares of its width and height."""
    box = page.locator("#chart .u-over").bounding_box()
    assert box is not None
    return box["x"] + box["width"] * across, box["y"] + box["height"] * down


def test_the_largest_five_hundred_are_drawn(page: Console) -> None:
    page.open("?q=load&range=1h&step=1m")
    names = page.page.locator("#legend tbody button")
    expect(names).to_have_count(500)
    assert names.all_inner_texts() == [f"{n:03}" for n in range(SERIES - 500, SERIES)]
    hint = page.page.locator("#legend .hint")
    expect(hint).to_contain_text("The largest 500 of 560 series are drawn.")


def test_hovering_draws_one_line_and_not_the_chart(page: Console) -> None:
    page.open("?q=load&range=1h&step=1m")
    expect(page.page.locator("#legend tbody tr")).to_have_count(500)
    page.page.evaluate(
        """() => {
          globalThis.strokes = { chart: 0, emphasis: 0 };
          const stroke = CanvasRenderingContext2D.prototype.stroke;
          CanvasRenderingContext2D.prototype.stroke = function (...path) {
            strokes[this.canvas.className === "emphasis" ? "emphasis" : "chart"] += 1;
            return stroke.apply(this, path);
          };
        }"""
    )
    for move in range(20):
        page.page.mouse.move(*over(page.page, 0.2 + move / 50, 0.5))
    expect(page.page.locator(".tip")).to_be_visible()
    expect(page.page.locator(".tip tr")).to_have_count(12)
    expect(page.page.locator(".tip")).to_contain_text("and 488 more")
    drawn = page.page.evaluate("strokes")
    assert drawn["chart"] == 0
    assert 1 <= drawn["emphasis"] <= 20
    assert page.page.locator(".u-cursor-pt").count() == 0
    page.page.mouse.move(2, 2)
    expect(page.page.locator(".tip")).to_be_hidden()
    assert _painted(page.page, ".emphasis") == 0


def _painted(page: Page, canvas: str) -> int:
    """How many pixels of a canvas are not transparent."""
    count: int = page.evaluate(
        """(name) => {
          const canvas = document.querySelector(name);
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          let painted = 0;
          for (let i = 3; i < data.length; i += 4) if (data[i]) painted += 1;
          return painted;
        }""",
        canvas,
    )
    return count


def test_a_native_histogram_is_a_heatmap(page: Console) -> None:
    page.open('?q=latency{service="busy"}&range=1h&step=1m')
    expect(page.page.locator("#legend tbody tr")).to_have_count(1)
    expect(page.page.locator("#legend")).to_contain_text("count 1.3k, mean 2.308")
    edges = page.page.evaluate(
        """() => {
          const canvas = document.querySelector("#chart canvas");
          const { width, height } = canvas;
          const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
          const style = getComputedStyle(document.documentElement);
          const accent = style.getPropertyValue("--accent").match(/\\w\\w/g);
          const [r, g, b] = accent.map((part) => Number.parseInt(part, 16));
          const found = [];
          for (let i = 0; i < data.length; i += 4) {
            if (data[i] === r && data[i + 1] === g && data[i + 2] === b && data[i + 3] === 255) {
              found.push([(i / 4) % width, Math.floor(i / 4 / width)]);
            }
          }
          const xs = found.map(([x]) => x).sort((a, b) => a - b);
          const half = (xs[0] + xs.at(-1)) / 2;
          const height_of = (keep) => {
            const ys = found.filter(([x]) => keep(x)).map(([, y]) => y);
            return ys.reduce((sum, y) => sum + y, 0) / ys.length;
          };
          return [height_of((x) => x < half), height_of((x) => x >= half), found.length];
        }"""
    )
    earlier, later, count = edges
    assert count > 10_000  # the fullest buckets have the full colour
    assert later < earlier - 100  # and are higher in the second half


def test_the_heatmap_tells_the_bucket_under_the_pointer(page: Console) -> None:
    page.open('?q=latency{service="busy"}&range=1h&step=1m&unit=seconds')
    expect(page.page.locator("#legend tbody tr")).to_have_count(1)
    page.page.mouse.move(*over(page.page, 0.25, 0.9))
    tip = page.page.locator(".tip")
    expect(tip).to_contain_text("(1 s, 2 s]")
    expect(tip.locator("tr.near td").last).to_have_text("1k")
    page.page.mouse.move(*over(page.page, 0.75, 0.1))
    expect(tip).to_contain_text("(8 s, 16 s]")
    page.page.locator("#chart").press("End")
    expect(page.page.locator("#readout")).to_contain_text("count 1.3k")


def test_of_several_histograms_one_is_drawn_and_a_click_draws_another(page: Console) -> None:
    page.open("?q=latency&range=1h&step=1m")
    rows = page.page.locator("#legend tbody button")
    expect(rows).to_have_text(["busy", "calm"])
    expect(rows.first).to_have_attribute("aria-pressed", "true")
    expect(page.page.locator("#legend .hint")).to_contain_text("One of 2 native histograms")
    rows.nth(1).click()
    expect(rows.nth(1)).to_have_attribute("aria-pressed", "true")
    page.page.mouse.move(*over(page.page, 0.25, 0.9))
    expect(page.page.locator(".tip tr.near td").last).to_have_text("10")


@pytest.mark.parametrize("tab", ["chart", "table"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_histograms(page: Console, tab: str, scheme: str) -> None:
    page.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.open(f"?q=latency&range=1h&step=1m&tab={tab}")
    page.page.wait_for_selector("#legend tbody tr" if tab == "chart" else "svg.bars")
    assert serious_findings(page.page) == []


def test_histograms_beside_lines_are_named(page: Console) -> None:
    page.open('?q={__name__=~"latency|load",n=~"|00."}&range=1h&step=1m')
    expect(page.page.locator("#legend tbody tr")).to_have_count(10)
    expect(page.page.locator("#legend .hint")).to_contain_text("2 native histograms are not drawn")


def test_a_histogram_of_one_time_is_bars(page: Console) -> None:
    page.open("?q=latency&tab=table")
    images = page.page.locator("#panel-table svg.bars")
    expect(images).to_have_count(2)
    bars = images.first.locator("rect")
    heights = bars.evaluate_all("all => all.map((one) => Number(one.getAttribute('height')))")
    assert len(heights) == 3  # buckets without observations are not in the answer
    assert heights == sorted(heights)
    assert heights[-1] == max(heights) > 40
    expect(bars.last.locator("title")).to_have_text("(8, 16]: 1k")
    expect(images.first).to_have_attribute("aria-label", "3 buckets from 2 to 16")
    page.run('latency{service="calm"}')
    expect(images).to_have_count(1)
    expect(page.page.locator("#panel-table td.number")).to_contain_text("count 13, mean 2.308")
