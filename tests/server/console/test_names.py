"""Names that a query has to quote, and names that try to look like others, in the real browser."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from novaql.server.auth.roles import Role
from tests.support.programs.console_page import Console
from tests.support.servers.http_server import LocalServer, local_server

pytestmark = pytest.mark.slow

LONG = "x" * 3000


@pytest.fixture(scope="module")
def named() -> Iterator[LocalServer]:
    at = int(time.time()) * 1000
    with local_server() as server:
        labels: list[dict[str, str]] = [
            {"__name__": "CPU %"},
            {"__name__": "http.server.duration", "service.name": 'api "ü"', "host": "a"},
            {"__name__": "plain", "team": "it's", "long": LONG},
            {"__name__": "plain", "team": "\u202egnp.exe\n", "constructor": "red"},
        ]
        assert (
            server.write([(one, [(at - 120_000, 1.0), (at, 1.0)]) for one in labels]).status_code
            == 204
        )
        yield server


@pytest.fixture
def page(browser: BrowserContext, named: LocalServer) -> Iterator[Console]:
    browser.clear_cookies()
    tab = browser.new_page()
    tab.set_default_timeout(20_000)
    made = Console(tab, f"{named.client.base_url}/", named.tokens[Role.READ_ONLY])
    tab.on("pageerror", lambda error: made.complaints.append(str(error)))
    yield made
    assert made.complaints == []
    tab.close()
    browser.clear_cookies()


def test_it_opens_with_a_metric_whose_name_has_to_be_quoted(page: Console) -> None:
    page.open("?tab=table")
    expect(page.page.locator("#query")).to_have_value('{"CPU %"}')
    expect(page.page.locator("#panel-table tbody tr")).to_have_count(1)
    expect(page.page.locator("#error")).to_be_hidden()


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("http.server.d", '{"http.server.duration"}'),
        ("sum(CPU", 'sum({"CPU %"}'),
        ('{"http.server.duration", serv', '{"http.server.duration", "service.name"="'),
        ("sum by (service.n", 'sum by ("service.name"'),
        ('{"service.name"="api', '{"service.name"="api \\"ü\\""'),
        ("{team='it", "{team='it\\'s'"),
        ('{team="it', '{team="it\'s"'),
        ("{team=`it", "{team=`it's`"),
    ],
)
def test_a_completion_is_put_in_as_a_query_needs_it(
    page: Console, typed: str, completed: str
) -> None:
    page.open("?tab=table")
    expect(page.page.locator("#panel-table tbody tr")).to_have_count(1)
    query = page.page.locator("#query")
    query.fill("")
    query.press_sequentially(typed)
    expect(page.page.locator("#completion [aria-selected=true]")).to_have_count(1)
    query.press("Enter")
    expect(query).to_have_value(completed)


@pytest.mark.parametrize(
    ("query", "better"),
    [
        ("sum(http_server_duration)", 'sum({"http.server.duration"})'),
        ("http_server_duration{}", '{"http.server.duration", }'),
        ('http_server_duration{host="a"}', '{"http.server.duration", host="a"}'),
        (
            '{"http.server.duration", service_name=~"api.+"}',
            '{"http.server.duration", "service.name"=~"api.+"}',
        ),
        (
            '{"http.server.duration", "service.name"="api"}',
            '{"http.server.duration", "service.name"="api \\"ü\\""}',
        ),
    ],
)
def test_a_correction_is_put_in_as_a_query_needs_it(page: Console, query: str, better: str) -> None:
    page.open("?tab=table")
    expect(page.page.locator("#panel-table tbody tr")).to_have_count(1)
    page.run(query)
    page.page.locator("#panel-table button.suggestion").first.click()
    expect(page.page.locator("#query")).to_have_value(better)
    expect(page.page.locator("#panel-table tbody tr")).to_have_count(1)


def test_characters_that_cannot_be_seen_are_escaped(page: Console) -> None:
    page.open("?tab=table&q=plain{constructor='red'}")
    row = page.page.locator("#panel-table tbody tr")
    expect(row).to_have_text("plainred\\u202egnp.exe\\n1")
    page.page.click("#tab-chart")
    name = page.page.locator("#legend tbody button")
    expect(name).to_have_text('plain{constructor="red", team="\\u202egnp.exe\\n"}')
    page.page.click("#tab-json")
    answer = json.loads(page.page.locator(".json-text").inner_text())
    assert answer["result"][0]["metric"]["team"] == "\u202egnp.exe\n"


def test_a_label_named_as_a_property_of_objects_is_empty_without_it(page: Console) -> None:
    page.open("?tab=table&q=plain")
    heads = page.page.locator("#panel-table th")
    expect(heads).to_have_count(5)
    at = heads.all_inner_texts().index("constructor")
    column = page.page.locator(f"#panel-table tbody tr td:nth-child({at + 1})")
    expect(column).to_have_count(2)
    assert sorted(column.all_inner_texts()) == ["", "red"]
    page.page.locator("#panel-table th button", has_text="constructor").click()
    assert column.all_inner_texts() == ["", "red"]


def test_a_long_value_leaves_the_value_of_the_sample_in_view(page: Console) -> None:
    page.open("?tab=table&q=plain{long!=''}")
    number = page.page.locator("#panel-table tbody td.number")
    expect(number).to_have_text("1")
    box = number.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 1280
    assert LONG in page.page.locator("#panel-table tbody").inner_text()
