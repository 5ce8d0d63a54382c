"""The page in a real browser, against a real server."""

from __future__ import annotations

import json
import re
import time

import pytest
from playwright.sync_api import expect

from tests.support.programs.console_page import Console

pytestmark = pytest.mark.slow

REQUESTS = "sum by (service) (rate(http_requests_total[5m]))"


INCIDENT = """sum by (service) (rate(http_requests_total{status=~"5.."}[5m]))
  / sum by (service) (rate(http_requests_total[5m]))"""


def drawn_colours(console: Console) -> int:
    """How many different colours the chart's canvas shows."""
    count = console.page.evaluate(
        """() => {
          const canvas = document.querySelector("#chart canvas");
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          const seen = new Set();
          for (let i = 0; i < data.length; i += 4) {
            if (data[i + 3] > 250) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
          }
          return seen.size;
        }"""
    )
    assert isinstance(count, int)
    return count


def test_it_opens_with_a_chart_and_no_complaints(console: Console) -> None:
    console.open()
    expect(console.page.locator("#legend tbody tr")).to_have_count(6)
    assert drawn_colours(console) > 6
    expect(console.page.locator("#stats")).to_contain_text("series read")
    expect(console.page.locator("#server")).to_have_text("ready")
    assert console.complaints == []


def test_the_demo_opens_on_its_incident(console: Console) -> None:
    """The error ratio of one service peaks 3.5 hours ago; all others stay below a percent."""
    console.open()
    expect(console.page.locator("#query")).to_have_value(INCIDENT)
    rows = console.page.locator("#legend tbody tr")
    expect(rows).to_have_count(6)
    names = rows.locator("button").all_inner_texts()
    most = [
        float(text.removesuffix(" %")) for text in rows.locator("td:nth-child(4)").all_inner_texts()
    ]
    worst = names[most.index(max(most))]
    assert worst == "checkout"
    assert max(most) > 10 * sorted(most)[-3]
    over = console.page.locator("#chart .u-over").bounding_box()
    assert over is not None
    x = over["x"] + over["width"] * (1 - (3.5 * 3600 - 1200) / (6 * 3600))
    console.page.mouse.move(x, over["y"] + 10)
    expect(console.page.locator(".tip tr").first).to_contain_text("checkout")


def test_an_error_is_shown_where_it_is(console: Console) -> None:
    console.open()
    console.page.wait_for_selector("#legend tbody tr")
    console.run("sum(\n  rat(http_requests_total[5m])\n)")
    error = console.page.locator("#error")
    expect(error).to_be_visible()
    expect(error).to_contain_text("rat")
    expect(error).to_contain_text("line 2, column 3")
    assert error.locator("pre").inner_text().split("\n") == [
        "  rat(http_requests_total[5m])",
        "  ^^^",
    ]
    expect(console.page.locator("#paint .t-mark")).to_have_text("rat")
    console.run("sum(rate(http_requests_total[5m]))")
    expect(error).to_be_hidden()
    expect(console.page.locator("#legend tbody tr")).to_have_count(1)


def test_a_column_behind_an_emoji_counts_characters(console: Console) -> None:
    console.open()
    console.page.wait_for_selector("#legend tbody tr")
    console.run('up{job="🙂"} + rat(up[5m])')
    expect(console.page.locator("#paint .t-mark")).to_have_text("rat")


def test_the_table_sorts_by_value_and_by_label(console: Console) -> None:
    console.open(f"?tab=table&q={REQUESTS}")
    values = console.page.locator("#panel-table tbody td.number")
    expect(values).to_have_count(6)
    exact = "nodes => nodes.map(node => Number(node.title))"
    head = console.page.locator("#panel-table th")
    head.filter(has_text="value").locator("button").click()
    falling = values.evaluate_all(exact)
    assert falling == sorted(falling, reverse=True)
    head.filter(has_text="value").locator("button").click()
    assert values.evaluate_all(exact) == sorted(falling)
    expect(head.filter(has_text="value")).to_have_attribute("aria-sort", "ascending")
    head.filter(has_text="service").locator("button").click()
    names = console.page.locator("#panel-table tbody td:first-child").all_inner_texts()
    assert names == ["auth", "catalog", "checkout", "gateway", "payments", "search"]


def test_json_is_the_answer_as_it_came(console: Console) -> None:
    console.open("?tab=json&q=vector(1)")
    text = console.page.locator(".json-text").inner_text()
    answer = json.loads(text)
    assert answer["result_type"] == "matrix"
    assert {value for _, value in answer["result"][0]["values"]} == {1}


def test_a_scalar_and_a_string_are_tables_of_one_row(console: Console) -> None:
    console.open("?tab=table&q=3 * 7")
    expect(console.page.locator("#panel-table td.number")).to_have_text("21")
    console.run('"hello"')
    expect(console.page.locator("#panel-table td.number")).to_have_text("hello")
    assert console.complaints == []


def test_the_address_is_the_state(console: Console) -> None:
    console.open()
    console.page.wait_for_selector("#legend tbody tr")
    console.run("max(queue_depth)")
    console.page.click("#ranges [data-range='24h']")
    console.page.select_option("#step", "15m")
    expect(console.page.locator("#legend tbody tr")).to_have_count(1)
    assert "range=24h" in console.page.url
    assert "step=15m" in console.page.url
    console.page.reload()
    expect(console.page.locator("#query")).to_have_value("max(queue_depth)")
    expect(console.page.locator("#ranges [data-range='24h']")).to_have_attribute(
        "aria-pressed", "true"
    )
    console.page.go_back()
    expect(console.page.locator("#query")).to_have_value(INCIDENT)


def test_names_labels_and_values_complete_by_keyboard(console: Console) -> None:
    console.open()
    console.page.wait_for_selector("#legend tbody tr")
    console.page.fill("#query", "")
    query = console.page.locator("#query")
    query.press_sequentially("queue_d")
    expect(console.page.locator("#completion li").first).to_contain_text("queue_depth")
    query.press("Enter")
    query.press_sequentially("{serv")
    expect(console.page.locator("#completion li").first).to_contain_text("service")
    query.press("Tab")
    expect(query).to_have_value('queue_depth{service="')
    expect(console.page.locator("#completion li")).to_have_count(6)
    query.press("ArrowDown")
    query.press("Enter")
    expect(query).to_have_value('queue_depth{service="catalog"')
    expect(query).to_be_focused()


def test_words_of_the_language_are_coloured_and_complete(console: Console) -> None:
    console.open()
    console.page.wait_for_selector("#legend tbody tr")
    query = console.page.locator("#query")
    console.page.fill("#query", "let r = SUM(queue_depth) in r default 1Ki if nan ")

    def painted(kind: str) -> list[str]:
        return console.page.locator(f"#paint .t-{kind}").all_inner_texts()

    assert painted("keyword") == ["let", "in", "default", "if"]
    assert painted("function") == ["SUM"]
    assert painted("number") == ["1Ki", "nan"]

    console.page.fill("#query", "queue_depth |> ")
    query.press_sequentially("q")
    first = console.page.locator("#completion li").first
    expect(first).to_contain_text("quantile_over_time(scalar, range vector) · The φ-quantile")
    query.press("Enter")
    expect(query).to_have_value("queue_depth |> quantile_over_time(")


def test_escape_leaves_the_list_and_tab_moves_on(console: Console) -> None:
    console.open()
    console.page.wait_for_selector("#legend tbody tr")
    console.page.fill("#query", "")
    query = console.page.locator("#query")
    query.press_sequentially("rat")
    expect(console.page.locator("#completion")).to_be_visible()
    query.press("Escape")
    expect(console.page.locator("#completion")).to_be_hidden()
    query.press("Tab")
    expect(query).not_to_be_focused()


def test_the_crosshair_tells_values_and_the_gap_is_a_gap(console: Console) -> None:
    console.open('?q=process_cpu_seconds_total{instance="checkout-2"}&range=6h&step=15s')
    expect(console.page.locator("#legend tbody tr")).to_have_count(1)
    over = console.page.locator("#chart .u-over").bounding_box()
    assert over is not None
    middle = over["y"] + over["height"] / 2
    gap = 1 - (3.5 * 3600 - 735) / (6 * 3600)  # the instance is down for 150 s around here
    console.page.mouse.move(over["x"] + over["width"] * gap, middle)
    expect(console.page.locator(".tip")).to_contain_text("no samples")
    console.page.mouse.move(over["x"] + over["width"] * 0.9, middle)
    expect(console.page.locator(".tip")).to_contain_text(re.compile(r"\d"))
    expect(console.page.locator(".tip td").last).not_to_be_empty()


def test_the_legend_switches_series(console: Console) -> None:
    console.open(f"?q={REQUESTS}")
    buttons = console.page.locator("#legend tbody button")
    expect(buttons).to_have_count(6)
    before = drawn_colours(console)
    for index in range(5):
        buttons.nth(index).click()
    expect(console.page.locator("#legend tr.off")).to_have_count(5)
    console.page.wait_for_timeout(100)
    assert drawn_colours(console) < before
    buttons.nth(5).click(modifiers=["Alt"])
    expect(console.page.locator("#legend tr.off")).to_have_count(0)


def test_dragging_zooms_and_a_double_click_goes_back(console: Console) -> None:
    console.open(f"?q={REQUESTS}")
    console.page.wait_for_selector("#legend tbody tr")
    over = console.page.locator("#chart .u-over").bounding_box()
    assert over is not None
    y = over["y"] + 60
    console.page.mouse.move(over["x"] + over["width"] * 0.25, y)
    console.page.mouse.down()
    console.page.mouse.move(over["x"] + over["width"] * 0.75, y, steps=5)
    console.page.mouse.up()
    expect(console.page.locator("#custom")).to_be_visible()
    found = re.search(r"from=(\d+)&to=(\d+)", console.page.url)
    assert found is not None
    length = int(found[2]) - int(found[1])
    assert length == pytest.approx(3 * 3600, rel=0.05)
    console.page.dblclick("#chart .u-over")
    expect(console.page.locator("#custom")).to_be_hidden()


@pytest.mark.parametrize("length", [3600, 120])
def test_the_time_at_the_right_end_is_whole(console: Console, length: int) -> None:
    """A label that the canvas cuts off leaves pixels in its last column."""
    end = int(time.time()) // 3600 * 3600
    console.open(f"?q=vector(1)&range=custom&from={end - length}&to={end}")
    console.page.wait_for_selector("#legend tbody tr")
    drawn = console.page.evaluate(
        """() => {
          const canvas = document.querySelector("#chart canvas");
          const ctx = canvas.getContext("2d");
          const { data } = ctx.getImageData(canvas.width - 1, 0, 1, canvas.height);
          return data.filter((byte, index) => index % 4 === 3 && byte > 0).length;
        }"""
    )
    assert drawn == 0


def test_an_example_runs_at_a_click(console: Console) -> None:
    console.open()
    console.page.click("text=Error ratio by service")
    expect(console.page.locator("#legend tbody td").nth(1)).to_contain_text("%")
    assert "unit=percent" in console.page.url
    # Examples whose metrics are not here are not offered.
    expect(console.page.locator("#examples h2", has_text="The fleet")).to_have_count(1)
    expect(console.page.locator("#examples h2", has_text="This machine")).to_have_count(0)
    assert console.complaints == []


def test_the_unit_of_an_example_is_not_that_of_the_next_query(console: Console) -> None:
    console.open()
    value = console.page.locator("#legend tbody td").nth(1)
    expect(value).to_contain_text("%")
    console.run(REQUESTS)
    expect(value).to_contain_text("/s")
    console.page.click("text=Error ratio by service")
    expect(value).to_contain_text("%")
    console.page.go_back()
    expect(value).to_contain_text("/s")
    console.page.select_option("#unit", "bytes")
    console.run(f"2 * {REQUESTS}")
    expect(value).to_contain_text("B")
    assert "unit=bytes" in console.page.url
    assert console.complaints == []


@pytest.mark.parametrize(
    ("unit", "values", "labels"),
    [
        ("bytes", [0, 2**28, 2**30], ["0 B", "256 MiB", "1 GiB"]),
        ("seconds", [0.0005, 1.5, 120], ["500 µs", "1.5 s", "2 min"]),
        ("percent", [0, 0.001, 0.0015], ["0 %", "0.1 %", "0.15 %"]),
        ("number", [1000000, 1000001], ["1M", "1.000001M"]),
        ("/s", [0.5, 2000], ["500 m/s", "2 k/s"]),
    ],
)
def test_axis_labels_tell_neighbours_apart_in_their_unit(
    console: Console, unit: str, values: list[float], labels: list[str]
) -> None:
    console.open("?q=vector(1)")
    console.page.wait_for_selector("#legend tbody tr")
    module = console.page.locator("script[type=module]").get_attribute("src")
    assert module is not None
    shown = console.page.evaluate(
        "async ([path, splits, unit]) => (await import(path)).axisLabels(splits, unit)",
        [module.replace("main.js", "plot_axes.js"), values, unit],
    )
    assert shown == labels


def test_it_refreshes_by_itself_and_stops_when_told(console: Console) -> None:
    asked: list[str] = []
    console.page.on("request", lambda request: asked.append(request.url))
    console.page.clock.install()
    console.open("?q=max(queue_depth)&refresh=15s")
    console.page.wait_for_selector("#legend tbody tr")

    def queries() -> int:
        return sum(url.endswith("/v1/novaql") for url in asked)

    assert queries() == 1
    with console.page.expect_response("**/v1/novaql"):
        console.page.clock.run_for(15_100)
    assert queries() == 2
    console.page.select_option("#refresh", "off")
    console.page.clock.run_for(60_000)
    console.page.wait_for_timeout(100)
    assert queries() == 2


def test_arrow_keys_read_the_chart_aloud(console: Console) -> None:
    console.open(f"?q={REQUESTS}")
    console.page.wait_for_selector("#legend tbody tr")
    chart = console.page.locator("#chart")
    chart.press("End")
    chart.press("ArrowLeft")
    expect(console.page.locator("#readout")).to_contain_text("gateway")
    expect(console.page.locator(".tip")).to_be_visible()


def test_warnings_of_the_engine_are_shown(console: Console) -> None:
    console.open("?q=rate(queue_depth[5m])&tab=table")
    expect(console.page.locator("#notices .notice")).to_contain_text(["counter"])


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_width_scrolls_sideways(console: Console, width: int) -> None:
    console.page.set_viewport_size({"width": width, "height": 800})
    console.open(f"?q={REQUESTS}")
    console.page.wait_for_selector("#legend tbody tr")
    console.page.wait_for_timeout(200)
    wide = console.page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert wide <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_contrast(console: Console, scheme: str) -> None:
    """WCAG AA: 4.5 to 1 for text, computed from the colours that the browser resolved."""
    console.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    console.open(f"?q={REQUESTS}")
    console.page.wait_for_selector("#legend tbody tr")
    low = console.page.evaluate(
        """() => {
          const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
          const channel = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
          const light = ([r, g, b]) =>
            0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
          const ground = (node) => {
            for (let at = node; at; at = at.parentElement) {
              const colour = parse(getComputedStyle(at).backgroundColor);
              if (colour.length === 3 || colour[3] === 1) return colour;
            }
            return [255, 255, 255];
          };
          const found = [];
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          for (let text = walker.nextNode(); text; text = walker.nextNode()) {
            const node = text.parentElement;
            if (!text.data.trim() || !node.checkVisibility() || node.id === "query") continue;
            const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))];
            const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (ratio < 4.5) found.push(`${text.data.trim()}: ${ratio.toFixed(2)}`);
          }
          return found;
        }"""
    )
    assert low == []
    console.page.emulate_media(color_scheme="light")
