"""Answers that come late, in part or not at all, and those whose names are odd."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from novaql.server.auth.roles import Role
from tests.support.programs.console_page import Console
from tests.support.servers.http_server import LocalServer

pytestmark = pytest.mark.slow

SUM = "sum(rate(http_requests_total[5m]))"


@pytest.fixture(autouse=True)
def signed_out(browser: BrowserContext) -> Iterator[None]:
    browser.clear_cookies()
    yield
    browser.clear_cookies()


def answered(console: Console, rows: int = 1) -> None:
    expect(console.page.locator("#legend tbody tr")).to_have_count(rows)


def test_reasons_that_come_late_do_not_replace_a_newer_answer(console: Console) -> None:
    console.open(f"?q={SUM}")
    answered(console)
    held: list[Route] = []
    console.page.route("**/label/__name__/values?limit=1", lambda route: held.append(route))
    with console.page.expect_response("**/why-empty"):
        console.run("nothing_like_this")
    expect(console.page.locator("#chart")).to_contain_text("Looking why")
    console.run("vector(7)")
    expect(console.page.locator("#legend tbody tr")).to_contain_text("7")
    for route in held:
        route.continue_()
    console.page.wait_for_timeout(300)
    answered(console)
    assert console.complaints == []


def test_an_answer_that_breaks_off_is_an_error(console: Console) -> None:
    console.open(f"?q={SUM}")
    answered(console)
    console.page.evaluate(
        """() => {
          const real = globalThis.fetch;
          globalThis.fetch = async (path, options) => {
            if (!String(path).endsWith("/v1/novaql")) return real(path, options);
            const start = (stream) => stream.error(new TypeError("network error"));
            return new Response(new ReadableStream({ start }));
          };
        }"""
    )
    console.run("vector(7)")
    expect(console.page.locator("#error")).to_contain_text("broke off")
    expect(console.page.locator("#chart")).to_contain_text("No result.")
    assert console.complaints == []


@pytest.mark.parametrize("status", [0, 503])
def test_a_server_that_is_away_at_the_start_is_named(console: Console, status: int) -> None:
    def refuse(route: Route) -> None:
        if status:
            body = json.dumps({"error": {"code": "shutting_down", "message": "The server stops."}})
            route.fulfill(status=status, body=body, content_type="application/json")
        else:
            route.abort()

    console.open(f"?q={SUM}")
    answered(console)
    console.page.route("**/v1/session", refuse)
    console.page.goto(f"{console.address}?q=vector(7)")
    expect(console.page.locator("#error")).to_contain_text(
        "The server stops." if status else "The server cannot be reached."
    )
    expect(console.page.locator("#token-dialog")).to_be_hidden()
    console.page.unroute("**/v1/session")
    console.page.click("#run")
    expect(console.page.locator("#legend tbody tr")).to_contain_text("7")
    expect(console.page.locator("#error")).to_be_hidden()


def test_signing_out_without_the_server_says_so(console: Console) -> None:
    console.open(f"?q={SUM}")
    answered(console)
    console.page.route("**/v1/session", lambda route: route.abort())
    console.page.click("#session-button")
    console.page.click("#sign-out")
    expect(console.page.locator("#token-problem")).to_contain_text("cannot be reached")
    expect(console.page.locator("#token-dialog")).to_be_visible()


def test_leaving_the_dialog_ends_the_refreshing(console: Console, browser: BrowserContext) -> None:
    console.page.clock.install()
    console.open(f"?q={SUM}&refresh=5s")
    answered(console)
    browser.clear_cookies()
    console.page.clock.run_for(5_100)
    dialog = console.page.locator("#token-dialog")
    expect(dialog).to_be_visible()
    console.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(console.page.locator("#refresh")).to_have_value("off")
    console.page.clock.run_for(11_000)
    expect(dialog).to_be_hidden()


def test_another_user_gets_no_names_of_the_one_before(console: Console, demo: LocalServer) -> None:
    console.open(f"?q={SUM}")
    answered(console)
    console.page.fill("#query", "")
    console.page.type("#query", "http_requests_t")
    expect(console.page.locator("#completion li").first).to_contain_text("http_requests_total")
    none = json.dumps({"status": "success", "data": ["other"]})
    console.page.route("**/label/**", lambda route: route.fulfill(status=200, body=none))
    console.page.click("#session-button")
    console.page.fill("#token", demo.tokens[Role.OPERATOR])
    console.page.press("#token", "Enter")
    expect(console.page.locator("#session-button")).to_have_attribute(
        "title", re.compile("operator")
    )
    console.page.fill("#query", "")
    console.page.type("#query", "othe")
    expect(console.page.locator("#completion li").first).to_contain_text("other")
    assert "http_requests_total" not in console.page.locator("#completion").inner_text()


def test_leaving_an_invitation_keeps_the_session(console: Console) -> None:
    console.open(f"?q={SUM}")
    answered(console)
    console.page.goto("about:blank")
    console.page.goto(f"{console.address}?q=vector(7)#invitation=nova_invitation_gone")
    console.page.click("#invitation-leave")
    expect(console.page.locator("#legend tbody tr")).to_contain_text("7")
    expect(console.page.locator("#session-button")).to_have_text("ada@example.com")


def test_series_of_equal_values_under_other_labels_have_names_of_their_own(
    console: Console,
) -> None:
    one, two = (
        f'label_replace(vector({at}), "{name}", "x", "", "")' for at, name in ((1, "a"), (2, "b"))
    )
    console.open(f"?q={one} or on (b) {two}")
    buttons = console.page.locator("#legend tbody button")
    expect(buttons).to_have_count(2)
    assert sorted(buttons.all_inner_texts()) == ['{a="x"}', '{b="x"}']
    buttons.first.click()
    expect(console.page.locator("#legend tbody tr.off")).to_have_count(1)
