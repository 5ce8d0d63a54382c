"""Completion in the query box: what Enter and Tab accept, and that it can be undone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.support.programs.console_page import Console

pytestmark = pytest.mark.slow


@pytest.fixture
def query(console: Console) -> Locator:
    """The empty query box, with the names of metrics loaded."""
    console.open()
    console.page.wait_for_selector("#legend tbody tr")
    console.page.fill("#query", "")
    return console.page.locator("#query")


@pytest.mark.parametrize("word", ["rate", "up", "sum", "count", "http_requests_total", "SUM"])
def test_enter_and_tab_leave_a_finished_word_alone(
    console: Console, query: Locator, word: str
) -> None:
    query.press_sequentially(word)
    console.page.wait_for_timeout(200)  # a list that comes late would be accepted, too
    assert console.page.locator("#completion [aria-selected=true]").count() == 0
    query.press("Enter")
    expect(query).to_have_value(f"{word}\n")
    console.page.fill("#query", "")
    query.press_sequentially(word)
    console.page.wait_for_timeout(200)
    query.press("Tab")
    expect(query).to_have_value(word)


def test_the_finished_word_is_first_and_longer_ones_are_a_key_away(
    console: Console, query: Locator
) -> None:
    query.press_sequentially("sum")
    rows = console.page.locator("#completion li")
    expect(rows.first).to_contain_text("sum(")
    query.press("ArrowDown")
    expect(rows.first).to_have_attribute("aria-selected", "true")
    query.press("ArrowDown")
    query.press("Enter")
    expect(query).to_have_value("sum2(")


def test_a_word_in_the_middle_of_names_is_not_replaced_unasked(
    console: Console, query: Locator
) -> None:
    query.press_sequentially("requests_tot")
    expect(console.page.locator("#completion li").first).to_contain_text("http_requests_total")
    assert console.page.locator("#completion [aria-selected=true]").count() == 0
    query.press("ArrowDown")
    query.press("Enter")
    expect(query).to_have_value("http_requests_total")


@pytest.mark.parametrize("accept", ["Enter", "Tab", "click"])
def test_an_accepted_completion_can_be_undone(
    console: Console, query: Locator, accept: str
) -> None:
    query.press_sequentially("queue_d")
    first = console.page.locator("#completion li").first
    expect(first).to_contain_text("queue_depth")
    if accept == "click":
        first.click()
    else:
        query.press(accept)
    expect(query).to_have_value("queue_depth")
    expect(console.page.locator("#completion")).to_be_hidden()
    query.press("Control+z")
    expect(query).to_have_value("queue_d")
    query.press("Control+Shift+z")
    expect(query).to_have_value("queue_depth")
    assert console.complaints == []


@pytest.mark.parametrize(("key", "text"), [("Home", "\nqueue_d"), ("End", "queue_d\n")])
def test_keys_that_leave_the_word_close_the_list(
    console: Console, query: Locator, key: str, text: str
) -> None:
    query.press_sequentially("queue_d")
    expect(console.page.locator("#completion [aria-selected=true]")).to_have_count(1)
    query.press(key)
    query.press("Enter")
    expect(query).to_have_value(text)
