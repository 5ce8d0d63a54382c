"""A server that scrapes its own metrics, as most do, and ends."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.programs.prometheus_programs import free_port
from tests.support.servers import patiently
from tests.support.servers.http_server import server_process

pytestmark = pytest.mark.slow


def test_a_server_that_ends_does_not_scrape_itself_any_more(tmp_path: Path) -> None:
    """Its sockets close a moment before the server ends. It would store that it is down."""
    address, config = f"127.0.0.1:{free_port()}", tmp_path / "scrape.yml"
    config.write_text(
        "global: {scrape_interval: 50ms, scrape_timeout: 50ms}\n"
        f"scrape_configs: [{{job_name: own, static_configs: [{{targets: ['{address}']}}]}}]\n"
    )
    options = ("--no-auth", "--listen", address, "--scrape-config", str(config))
    with server_process(tmp_path / "data", *options) as server:
        url = f"{server.url}/prometheus/api/v1/query?query=sum_over_time(up[1m]) > 3"
        ends = time.monotonic() + 60
        while not patiently.get(url).json()["data"]["result"]:
            assert time.monotonic() < ends, "the server has not scraped itself"
        assert server.stop() == 0
    log = (tmp_path / "data.log").read_text()
    assert "connection attempts failed" not in log, log
