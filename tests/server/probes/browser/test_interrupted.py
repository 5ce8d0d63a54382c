"""A navigation that a browser interrupts, as one that has just started does at times."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

import pytest

from novaql.server.probes.browser.cdp import Connection
from novaql.server.probes.browser.page import Page
from novaql.server.probes.browser.proxy import EgressProxy
from novaql.server.probes.browser.results import FlowFailed

URL = "http://shop.example/"


class Browser:
    """Answers commands; its first navigations are interrupted."""

    def __init__(self, interrupted: int) -> None:
        self.session: str | None = None
        self.on_event: Callable[[dict[str, Any]], None] = lambda _: None
        self.navigations = 0
        self._interrupted = interrupted

    def call(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:  # noqa: ARG002
        match method:
            case "Target.getTargets":
                return {"targetInfos": [{"targetId": "F", "type": "page"}]}
            case "Target.attachToTarget":
                return {"sessionId": "S"}
            case "Page.navigate":
                return self._navigate()
        return {}

    def _navigate(self) -> dict[str, Any]:
        self.navigations += 1
        loader = f"L{self.navigations}"
        request = {"requestId": loader, "type": "Document", "frameId": "F", "request": {"url": URL}}
        self._send("Network.requestWillBeSent", request)
        if self.navigations <= self._interrupted:
            failed = {"requestId": loader, "canceled": True, "errorText": "net::ERR_ABORTED"}
            self._send("Network.loadingFailed", failed)
        else:
            answer = {"requestId": loader, "response": {"status": 200}}
            self._send("Network.responseReceived", answer)
            loaded = {"frameId": "F", "name": "load", "loaderId": loader}
            self._send("Page.lifecycleEvent", loaded)
        return {"loaderId": loader, "frameId": "F"}

    def _send(self, method: str, params: dict[str, Any]) -> None:
        self.on_event({"method": method, "params": params})

    def pump(self, seconds: float) -> None:
        time.sleep(seconds)


class Proxy:
    denied: tuple[tuple[str, int], ...] = ()


def page_of(browser: Browser) -> Page:
    connection, proxy = cast("Connection", browser), cast("EgressProxy", Proxy())
    page = Page(connection, proxy, end=time.monotonic() + 0.5)
    page.attach()
    return page


def test_it_is_repeated() -> None:
    browser = Browser(interrupted=2)
    assert page_of(browser).goto(URL) == 200
    assert browser.navigations == 3


def test_it_is_not_repeated_for_ever() -> None:
    browser = Browser(interrupted=10)
    with pytest.raises(FlowFailed, match="has not loaded in time"):
        page_of(browser).goto(URL)
    assert browser.navigations == 3
