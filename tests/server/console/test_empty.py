"""An empty answer says why and offers what helps; an empty database says how to fill it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Locator, expect

from novaql.server.auth.roles import Role
from tests.support.programs.axe import serious_findings
from tests.support.programs.console_page import Console
from tests.support.servers.http_server import LocalServer, local_server

pytestmark = pytest.mark.slow


def shown(console: Console, query: str, tab: str = "chart") -> Locator:
    """The panel after a query from the address, with the reason."""
    console.page.goto(f"{console.address}?tab={tab}")
    console.page.wait_for_selector("#legend tbody tr, table.grid")
    console.run(query)
    return console.page.locator(f"#panel-{tab} .empty")


@pytest.fixture
def asked(console: Console) -> Console:
    console.open()
    console.page.wait_for_selector("#legend tbody tr")
    return console


@pytest.mark.parametrize("tab", ["chart", "table"])
@pytest.mark.parametrize(
    ("query", "reason", "suggestion", "better"),
    [
        (
            "max(rate(http_request_total[5m]))",
            "there is no metric http_request_total",
            "http_requests_total",
            "max(rate(http_requests_total[5m]))",
        ),
        (
            'max(queue_depth{job="shop", service="chekout"}) # 🙂',
            "service='chekout' removes all series: values are",
            'service="checkout"',
            'max(queue_depth{job="shop", service="checkout"}) # 🙂',
        ),
        (
            'max(queue_depth{servce = "auth"})',
            "none has the label servce",
            "service",
            'max(queue_depth{service = "auth"})',
        ),
    ],
)
def test_a_misspelt_name_is_corrected_by_a_click(
    asked: Console, tab: str, query: str, reason: str, suggestion: str, better: str
) -> None:
    panel = shown(asked, query, tab)
    expect(panel).to_contain_text("The query answers nothing")
    expect(panel).to_contain_text(reason)
    panel.locator("button.suggestion", has_text=suggestion).click()
    expect(asked.page.locator("#query")).to_have_value(better)
    answer = "#legend tbody tr" if tab == "chart" else "#panel-table tbody tr"
    expect(asked.page.locator(answer)).to_have_count(1)
    expect(asked.page.locator("#notices .notice")).to_have_count(0)
    assert asked.complaints == []


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("nosuchmetric", "there is no metric nosuchmetric"),
        ("max(queue_depth) > 1e9", "no value satisfies >"),
        ('queue_depth and on (service) (up{service="auth"} > 2)', "no value satisfies >"),
    ],
)
def test_reasons_without_a_correction_are_said(asked: Console, query: str, reason: str) -> None:
    panel = shown(asked, query)
    expect(panel).to_contain_text(reason)
    expect(panel.locator("button")).to_have_count(0)


def test_a_time_without_samples_leads_to_one_that_has_some(asked: Console) -> None:
    now = int(time.time())
    old = now - 20 * 86_400
    asked.page.goto(f"{asked.address}?q=max(queue_depth)&range=custom&from={old}&to={old + 3600}")
    panel = asked.page.locator("#panel-chart .empty")
    expect(panel).to_contain_text("no samples between")
    panel.locator("button", has_text="Show the time with samples").click()
    expect(asked.page.locator("#legend tbody tr")).to_have_count(1)
    assert "range=custom" in asked.page.url


def test_names_of_the_data_are_text_and_no_markup(asked: Console) -> None:
    panel = shown(asked, 'max(queue_depth{service="<img src=x onerror=window.xss=1>"})')
    expect(panel).to_contain_text("<img src=x")
    assert panel.locator("img").count() == 0
    assert asked.page.evaluate("globalThis.xss") is None


@pytest.fixture
def empty() -> Iterator[LocalServer]:
    with local_server() as server:
        yield server


@pytest.fixture
def fresh(browser: BrowserContext, empty: LocalServer) -> Iterator[Console]:
    page = browser.new_page()
    page.set_default_timeout(20_000)
    page.clock.install()
    made = Console(page, f"{empty.client.base_url}/", empty.tokens[Role.READ_ONLY])
    page.on("console", made.hear)
    page.on("pageerror", lambda error: made.complaints.append(str(error)))
    yield made
    assert made.complaints == []
    page.close()


def test_an_empty_database_says_how_to_send_samples(fresh: Console, empty: LocalServer) -> None:
    fresh.open()
    panel = fresh.page.locator("#panel-chart .empty")
    expect(panel).to_contain_text("There are no samples yet.")
    command = panel.locator("pre").first.inner_text()
    assert command.startswith(f"curl -s {fresh.address}v1/ingest")
    expect(panel).to_contain_text("remote_write:")
    assert serious_findings(fresh.page) == []
    expect(panel).to_contain_text(f"OTEL_EXPORTER_OTLP_ENDPOINT={fresh.address[:-1]}")
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    token = {"NOVA_TOKEN": empty.tokens[Role.OPERATOR]}
    sent = subprocess.run(
        ["sh", "-c", command], env=os.environ | token, capture_output=True, text=True, check=True
    )
    assert '"samples":1' in sent.stdout
    fresh.page.clock.run_for(15_100)  # the page looks by itself
    expect(fresh.page.locator("#query")).to_have_value("room_celsius")
    expect(fresh.page.locator("#panel-table td.number")).to_have_text("17.5")


def test_it_waits_on_while_the_server_is_away(fresh: Console, empty: LocalServer) -> None:
    fresh.open()
    panel = fresh.page.locator("#panel-chart .empty")
    expect(panel).to_contain_text("There are no samples yet.")
    names = "**/label/__name__/values?limit=1"
    fresh.page.route(names, lambda route: route.fulfill(status=502, body="Bad Gateway"))
    with fresh.page.expect_response(names):
        fresh.page.clock.run_for(15_100)
    expect(panel).to_contain_text("There are no samples yet.")
    fresh.page.unroute(names)
    now = int(time.time()) * 1000
    assert empty.write([({"__name__": "a"}, [(now, 1.0)])]).status_code == 204
    fresh.page.clock.run_for(15_100)
    expect(fresh.page.locator("#query")).to_have_value("a")
    fresh.complaints.clear()  # the browser's own about the 502


def test_another_query_ends_the_waiting(fresh: Console, empty: LocalServer) -> None:
    fresh.open()
    panel = fresh.page.locator("#panel-chart .empty")
    expect(panel).to_contain_text("There are no samples yet.")
    fresh.run("vector(7)")
    expect(fresh.page.locator("#legend tbody tr")).to_have_count(1)
    now = int(time.time()) * 1000
    assert empty.write([({"__name__": "a"}, [(now, 1.0)])]).status_code == 204
    fresh.page.clock.run_for(60_000)
    expect(fresh.page.locator("#query")).to_have_value("vector(7)")


def test_without_tokens_the_commands_have_none(browser: BrowserContext) -> None:
    with local_server(auth=False) as server:
        page = browser.new_page()
        page.goto(f"{server.client.base_url}/")
        panel = page.locator("#panel-chart .empty")
        expect(panel).to_contain_text("takes samples without a token")
        assert "TOKEN" not in panel.inner_text()
        expect(page.locator("#session-button")).to_be_hidden()
        assert server.write([({"__name__": "a"}, [(1, 1.0)])]).status_code == 204
        page.click("#look-again")
        expect(page.locator("#query")).to_have_value("a")
        page.close()
