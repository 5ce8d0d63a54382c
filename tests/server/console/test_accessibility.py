"""axe-core finds nothing serious on any state of the page, in both themes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.support.programs.axe import serious_findings
from tests.support.programs.console_page import Console

pytestmark = pytest.mark.slow

REQUESTS = "sum by (service) (rate(http_requests_total[5m]))"


def charted(console: Console) -> None:
    console.open(f"?q={REQUESTS}")
    expect(console.page.locator("#legend tbody tr")).to_have_count(6)


def tabled(console: Console) -> None:
    console.open(f"?tab=table&q={REQUESTS}")
    expect(console.page.locator("#panel-table tbody tr")).to_have_count(6)


def as_json(console: Console) -> None:
    console.open(f"?tab=json&q={REQUESTS}")
    console.page.wait_for_selector(".json-text")


def emptied(console: Console) -> None:
    console.open('?q=max(queue_depth{service="chekout"})')
    console.page.wait_for_selector("button.suggestion")


def refused(console: Console) -> None:
    console.open("?q=rat(up)")
    expect(console.page.locator("#error")).to_be_visible()


def completing(console: Console) -> None:
    charted(console)
    console.page.fill("#query", "")
    console.page.locator("#query").press_sequentially("rat")
    expect(console.page.locator("#completion")).to_be_visible()


def signing_in(console: Console) -> None:
    console.page.context.clear_cookies()
    console.open(token=False)
    expect(console.page.locator("#token-dialog")).to_be_visible()


def invited(console: Console) -> None:
    console.open("#invitation=nova_invitation_x", token=False)
    expect(console.page.locator("#invitation-dialog")).to_be_visible()


def with_a_custom_range(console: Console) -> None:
    charted(console)
    console.page.click("#ranges [data-range='custom']")
    expect(console.page.locator("#custom")).to_be_visible()


STATES = (
    *(charted, tabled, as_json, emptied, refused),
    *(completing, signing_in, invited, with_a_custom_range),
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", STATES, ids=lambda one: one.__name__)
def test_axe_finds_nothing_serious(
    console: Console, state: Callable[[Console], None], scheme: str
) -> None:
    console.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    state(console)
    assert serious_findings(console.page) == []


def test_axe_finds_what_is_wrong(console: Console) -> None:
    charted(console)
    console.page.evaluate("document.body.append(document.createElement('button'))")
    assert [one.partition(":")[0] for one in serious_findings(console.page)] == ["button-name"]
