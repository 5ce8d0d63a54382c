"""A demo-like server in this process, and one headless Chromium for all tests of a file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from novaql import tsdb
from novaql.server.auth.roles import Role
from novaql.server.demo.fleet import Fleet
from tests.support.programs.chromium import chromium
from tests.support.programs.console_page import Console
from tests.support.servers.http_server import LocalServer, local_server


@pytest.fixture(scope="module")
def demo() -> Iterator[LocalServer]:
    """A server with the fleet's last day in memory."""
    store = tsdb.memory()
    fleet = Fleet(time.time_ns() // 1_000_000)
    store.append(fleet.take(fleet.history_steps))
    with local_server(store) as server:
        yield server


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """Ends with its file: until then an event loop runs in this thread, and no test beside it could
    have one of its own."""
    with chromium(tmp_path_factory.mktemp("chromium")) as context:
        yield context


@pytest.fixture
def console(browser: BrowserContext, demo: LocalServer) -> Iterator[Console]:
    page = browser.new_page()
    page.set_default_timeout(20_000)
    address = str(demo.client.base_url).rstrip("/") + "/"
    made = Console(page, address, demo.tokens[Role.READ_ONLY])
    page.on("console", made.hear)
    page.on("pageerror", lambda error: made.complaints.append(str(error)))
    yield made
    page.close()


@pytest.fixture(scope="session")
def static() -> Path:
    return Path(__file__).parents[3] / "server" / "console" / "static"
