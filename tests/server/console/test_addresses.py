"""The address is the state of the page: odd values in it, the browser's history, fragments."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest
from playwright.sync_api import Request, expect

from novaql.server.auth.roles import Role
from tests.support.programs.console_page import Console
from tests.support.servers.http_server import LocalServer

pytestmark = pytest.mark.slow

SUM = "sum(rate(http_requests_total[5m]))"


def answered(console: Console, rows: int = 1) -> None:
    expect(console.page.locator("#legend tbody tr")).to_have_count(rows)


@pytest.mark.parametrize(
    "odd",
    [
        "refresh=0s",
        "refresh=-5s",
        "refresh=often",
        "step=0s",
        "step=wide",
        "step=-15s",
        "unit=toString",
        "range=constructor",
        "range=custom&from=1e300&to=1e301",
        "range=custom&from=1767225600000000&to=1767229200000000",
    ],
)
def test_values_that_are_none_become_the_defaults(console: Console, odd: str) -> None:
    sent: list[Request] = []
    console.page.on("request", lambda request: sent.append(request))
    console.open(f"?q={SUM}&{odd}")
    answered(console)
    expect(console.page.locator("#server")).to_have_text("ready")
    console.page.wait_for_timeout(300)
    assert sum(one.url.endswith("/v1/novaql") for one in sent) == 1
    shown = ["step", "refresh", "unit"]
    assert [console.page.locator(f"#{name}").input_value() for name in shown] == [
        "auto",
        "off",
        "auto",
    ]
    expect(console.page.locator("#ranges [data-range='6h']")).to_have_attribute(
        "aria-pressed", "true"
    )
    assert console.complaints == []


def test_a_step_that_the_list_lacks_remains_and_is_shown(console: Console) -> None:
    console.open(f"?q={SUM}&step=10m&tab=json")
    expect(console.page.locator("#step")).to_have_value("10m")
    answer = json.loads(console.page.locator(".json-text").inner_text())
    times = [at for at, _ in answer["result"][0]["values"]]
    assert {after - at for at, after in pairwise(times)} == {600}


@pytest.mark.parametrize("link", ["graph?g0.expr=vector(7)&g0.tab=0", "?q=vector(7) %2B 0"])
def test_back_leaves_a_page_whose_address_was_rewritten(console: Console, link: str) -> None:
    console.open(f"?q={SUM}")  # signs in
    answered(console)
    console.page.goto(f"{console.address}docs")
    console.page.goto(console.address + link)
    expect(console.page.locator("#legend tbody tr")).to_contain_text("7")
    console.page.go_back()
    expect(console.page).to_have_url(f"{console.address}docs")


def test_the_link_to_the_query_keeps_what_is_typed(console: Console) -> None:
    console.open(f"?q={SUM}")
    answered(console)
    console.page.fill("#query", "vector(3)")
    sent: list[str] = []
    console.page.on("request", lambda request: sent.append(request.url))
    console.page.locator(".skip").focus()
    console.page.keyboard.press("Enter")
    expect(console.page).to_have_url(re.compile("#query$"))
    expect(console.page.locator("#query")).to_have_value("vector(3)")
    console.page.wait_for_timeout(200)
    # The page asks for the server's health on its own.
    assert [url for url in sent if not url.endswith("/healthz")] == []


def test_a_token_in_the_address_of_an_open_page_signs_in(
    console: Console, demo: LocalServer
) -> None:
    console.open(f"?q={SUM}")
    answered(console)
    expect(console.page.locator("#session-button")).to_have_attribute(
        "title", re.compile("read_only")
    )
    console.token = demo.tokens[Role.OPERATOR]
    console.page.evaluate("token => { location.hash = `token=${token}`; }", console.token)
    expect(console.page.locator("#session-button")).to_have_attribute(
        "title", re.compile("operator")
    )
    assert "token" not in console.page.url
    answered(console)
    assert console.complaints == []
