"""Signing in: a token once, then a session for all tabs of the browser, in the real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect

from novaql.server.auth.roles import Role
from tests.support.programs.console_page import Console
from tests.support.servers.http_server import LocalServer

pytestmark = pytest.mark.slow

REQUESTS = "sum by (service) (rate(http_requests_total[5m]))"


@pytest.fixture(autouse=True)
def signed_out(browser: BrowserContext) -> Iterator[None]:
    browser.clear_cookies()
    yield
    browser.clear_cookies()


def answered(page: Page) -> None:
    expect(page.locator("#legend tbody tr")).to_have_count(6)


def test_the_token_in_the_address_opens_a_session_and_leaves_it(console: Console) -> None:
    sent: list[Request] = []
    console.page.on("request", lambda request: sent.append(request))
    console.open(f"?q={REQUESTS}")
    answered(console.page)
    assert "token" not in console.page.url
    bearing = [one.url for one in sent if "authorization" in one.headers]
    assert [url.rpartition("/")[2] for url in bearing] == ["session"]
    stores = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    assert "nova_" not in console.page.evaluate(stores)
    expect(console.page.locator("#session-button")).to_have_text("ada@example.com")
    assert console.complaints == []


def test_a_new_tab_asks_for_nothing(console: Console, browser: BrowserContext) -> None:
    console.open(f"?q={REQUESTS}")
    answered(console.page)
    tab = browser.new_page()
    tab.goto(f"{console.address}?q={REQUESTS}")
    answered(tab)
    expect(tab.locator("#token-dialog")).to_be_hidden()
    tab.close()


def test_without_a_session_it_asks_once_and_goes_on(console: Console) -> None:
    console.open(f"?q={REQUESTS}", token=False)
    dialog = console.page.locator("#token-dialog")
    expect(dialog).to_be_visible()
    console.page.fill("#token", console.token)
    console.page.press("#token", "Enter")
    answered(console.page)
    expect(dialog).to_be_hidden()
    console.page.reload()
    answered(console.page)


@pytest.mark.parametrize("query", ["", f"?q={REQUESTS}"])
def test_escape_closes_the_dialog_for_good(console: Console, query: str) -> None:
    console.open(query, token=False)
    dialog = console.page.locator("#token-dialog")
    expect(dialog).to_be_visible()
    console.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(console.page.locator("#chart")).to_contain_text("Sign in to query.")
    expect(console.page.locator("#server")).to_have_text("ready")  # the last request of the start
    console.page.wait_for_timeout(200)
    expect(dialog).to_be_hidden()
    console.page.fill("#query", REQUESTS)
    console.page.click("#run")
    expect(dialog).to_be_visible()
    console.page.fill("#token", console.token)
    console.page.click("#token-dialog button[value=use]")
    answered(console.page)


def test_a_wrong_token_is_asked_for_again_with_the_reason(console: Console) -> None:
    right = console.token
    console.token = right[:-1] + ("0" if right[-1] != "0" else "1")
    console.open(f"?q={REQUESTS}")
    expect(console.page.locator("#token-problem")).to_contain_text("does not accept")
    console.page.fill("#token", "nova_wrong")
    console.page.press("#token", "Enter")
    expect(console.page.locator("#token-problem")).to_contain_text("does not accept")
    console.page.fill("#token", right)
    console.page.press("#token", "Enter")
    answered(console.page)


def test_signing_out_ends_the_session_of_all_tabs(
    console: Console, browser: BrowserContext
) -> None:
    console.open(f"?q={REQUESTS}")
    answered(console.page)
    console.page.click("#session-button")
    expect(console.page.locator("#token-who")).to_contain_text("ada@example.com, read_only")
    console.page.click("#sign-out")
    expect(console.page.locator("#session-button")).to_have_text("Sign in")
    expect(console.page.locator("#token-dialog")).to_be_visible()
    expect(console.page.locator("#legend tbody tr")).to_have_count(0)
    tab = browser.new_page()
    tab.goto(f"{console.address}?q={REQUESTS}")
    expect(tab.locator("#token-dialog")).to_be_visible()
    tab.close()


def test_a_revoked_token_signs_the_browser_out(console: Console, demo: LocalServer) -> None:
    made = demo.client.post(
        "/v1/tokens", json={"name": "brief", "role": "read_only"}, headers=demo.bearer()
    ).json()
    console.token = made["token"]
    console.open(f"?q={REQUESTS}")
    answered(console.page)
    ended = demo.client.delete(f"/v1/tokens/{made['id']}", headers=demo.bearer())
    assert ended.status_code == 204
    console.run("vector(1)")
    expect(console.page.locator("#token-dialog")).to_be_visible()


def test_the_cookie_is_not_for_scripts(console: Console, browser: BrowserContext) -> None:
    console.open(f"?q={REQUESTS}")
    answered(console.page)
    (cookie,) = browser.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
    assert cookie["value"].startswith("nova_session_")


def test_an_invitation_is_accepted_in_the_browser(console: Console, demo: LocalServer) -> None:
    invited = demo.client.post(
        "/v1/users",
        json={"email": "eve@example.com", "role": "read_only"},
        headers=demo.bearer(Role.ADMIN),
    ).json()
    console.page.goto(invited["invitation_url"])
    expect(console.page.locator("#invitation-dialog")).to_be_visible()
    assert "invitation" not in console.page.url
    console.page.fill("#invitation-name", "Eve")
    console.page.press("#invitation-name", "Enter")
    expect(console.page.locator("#invitation-title")).to_have_text("Welcome, Eve")
    expect(console.page.locator("#first-token")).to_have_value(re.compile("^nova_read_only_"))
    console.page.click("#invitation-close")
    expect(console.page.locator("#session-button")).to_have_text("eve@example.com")
    console.page.wait_for_selector("#legend tbody tr")
    assert console.complaints == []


def test_an_invitation_that_is_over_says_so(console: Console) -> None:
    console.open("#invitation=nova_invitation_gone", token=False)
    console.page.click("#invitation-form button[type=submit]")
    expect(console.page.locator("#invitation-problem")).to_contain_text("no such invitation")
    console.page.click("#invitation-leave")
    expect(console.page.locator("#invitation-dialog")).to_be_hidden()
