"""The quotas of programs stop no person: sessions have their own, and the page waits."""

from __future__ import annotations

from collections import Counter

import pytest
from playwright.sync_api import BrowserContext, Response, Route, expect

from novaql.server.auth.roles import Role
from tests.support.programs.console_page import Console
from tests.support.servers.http_server import local_server

pytestmark = pytest.mark.slow


def test_a_hundred_and_thirty_quick_queries_get_no_429(browser: BrowserContext) -> None:
    with local_server(rate_per_minute=100, rate_per_day=120) as server:
        page = browser.new_page()
        console = Console(page, f"{server.client.base_url}/", server.tokens[Role.READ_ONLY])
        statuses = Counter[int]()

        def count(response: Response) -> None:
            if response.url.endswith("/v1/novaql"):
                statuses[response.status] += 1

        page.on("response", count)
        console.open("?q=vector(1)")
        page.wait_for_selector("#legend tbody tr")
        for n in range(65):  # each tab that is chosen is a query
            for tab in ("table", "chart"):
                with page.expect_response("**/v1/novaql"):
                    page.click(f"#tab-{tab}")
            assert statuses[429] == 0, n
        assert statuses == {200: 131}
        expect(page.locator("#error")).to_be_hidden()
        page.close()


@pytest.mark.parametrize("refusals", [1, 3])
def test_the_page_waits_as_long_as_the_server_says(console: Console, refusals: int) -> None:
    console.open("?q=vector(1)")
    console.page.wait_for_selector("#legend tbody tr")
    left = [refusals]

    def refuse(route: Route) -> None:
        left[0] -= 1
        if left[0] < 0:
            route.continue_()
        else:
            route.fulfill(status=429, headers={"Retry-After": "1"}, json={"error": {}})

    console.page.route("**/v1/novaql", refuse)
    console.run("vector(2)")
    expect(console.page.locator("#stats")).to_contain_text("trying again in 1 s")
    expect(console.page.locator("#legend tbody")).to_contain_text("2", timeout=20_000)
    expect(console.page.locator("#error")).to_be_hidden()
    assert left[0] == -1


def test_a_wait_that_takes_long_is_an_error_and_another_query_ends_a_wait(
    console: Console,
) -> None:
    console.open("?q=vector(1)")
    console.page.wait_for_selector("#legend tbody tr")
    waits = iter(["3600", "20"])

    def refuse(route: Route) -> None:
        wait = next(waits, None)
        if wait is None:
            route.continue_()
        else:
            message = f"try again in {wait} s"
            route.fulfill(
                status=429, headers={"Retry-After": wait}, json={"error": {"message": message}}
            )

    console.page.route("**/v1/novaql", refuse)
    console.run("vector(2)")
    expect(console.page.locator("#error")).to_contain_text("try again in 3600 s")
    with console.page.expect_response("**/v1/novaql"):
        console.run("vector(3)")
    console.run("vector(4)")
    expect(console.page.locator("#legend tbody")).to_contain_text("4")
    expect(console.page.locator("#error")).to_be_hidden()
