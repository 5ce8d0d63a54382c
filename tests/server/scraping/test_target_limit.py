"""Targets of a tenant: so many are scraped, the others are listed; discoveries are bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from novaql import tsdb
from novaql.server.scraping.config import scrape_jobs_of
from novaql.server.scraping.discovery import BadGroups, FileWatch, groups_of
from novaql.server.scraping.model import FileDiscovery
from novaql.server.scraping.pool import SHOWN_REFUSED, TargetLimit
from novaql.server.scraping.scraper import ScrapeManager
from tests.server.scraping.test_scraper import eventually
from tests.support.servers.http_server import local_server


def test_a_limit_counts_what_is_taken_and_released() -> None:
    few, none = TargetLimit(2), TargetLimit(0)
    assert [few.acquire(), few.acquire(), few.acquire()] == [True, True, False]
    few.release()
    assert [few.acquire(), few.acquire()] == [True, False]
    assert all(none.acquire() for _ in range(10))


def test_targets_beyond_the_limit_are_listed_and_wait_for_others_to_end(tmp_path: Path) -> None:
    config = tmp_path / "scrape.yml"

    def say(first: int, second: int) -> None:
        config.write_text(
            "scrape_configs:\n"
            + "".join(
                f"- job_name: {name}\n  static_configs: [{{targets: {hosts!r}}}]\n"
                for name, hosts in (
                    ("one", [f"127.0.0.1:{n + 1}" for n in range(first)]),
                    ("two", [f"127.0.0.1:{n + 101}" for n in range(second)]),
                )
            )
        )

    say(3, 4)
    with tsdb.memory() as store:
        manager = ScrapeManager(
            config, scrape_jobs_of(config), store, most_targets=5, check_every_s=0.05
        )
        manager.start()
        try:
            before = manager.scrape_report()
            say(1, 4)
            manager.reload()
            eventually(lambda: not manager.scrape_report().dropped)
            after = manager.scrape_report()
        finally:
            manager.stop()

    assert [target.pool for target in before.targets] == ["one"] * 3 + ["two"] * 2
    assert [target.pool for target in before.dropped] == ["two"] * 2
    assert [target.pool for target in after.targets].count("one") == 1
    assert [target.pool for target in after.targets].count("two") == 4


def test_a_server_takes_the_limit_of_its_settings(tmp_path: Path) -> None:
    config = tmp_path / "scrape.yml"
    config.write_text(
        "scrape_configs: [{job_name: s, static_configs: [{targets: ['127.0.0.1:1', '127.0.0.1:2', "
        "'127.0.0.1:3']}]}]"
    )
    with local_server(scrape_config=config, max_scrape_targets=2) as server:
        listing = server.prometheus("targets").json()["data"]
    assert len(listing["activeTargets"]) == 2
    assert listing["droppedTargetCounts"] == {"s": 1}


def test_a_discovery_that_is_too_large_keeps_what_was(tmp_path: Path) -> None:
    file = tmp_path / "targets.json"
    file.write_text('[{"targets": ["a:1"]}]')
    watch = FileWatch(FileDiscovery(files=(str(file),)), most_bytes=1000)
    first = watch.groups()
    assert first is not None
    file.write_text('[{"targets": ["b:1"]}]' + " " * 1000)
    assert watch.groups() in (None, first)
    with pytest.raises(BadGroups, match="more than 3 targets"):
        groups_of([{"targets": ["a", "b"]}, {"targets": ["c", "d"]}], ("m", "f"), most=3)


def test_targets_that_are_not_listed_are_counted(tmp_path: Path) -> None:
    config = tmp_path / "scrape.yml"
    hosts = [f"127.0.0.1:{1 + n}" for n in range(SHOWN_REFUSED + 3)]
    config.write_text(f"scrape_configs: [{{job_name: s, static_configs: [{{targets: {hosts}}}]}}]")
    with local_server(scrape_config=config, max_scrape_targets=1) as server:
        listing = server.prometheus("targets", state="dropped").json()["data"]
    assert len(listing["droppedTargets"]) == SHOWN_REFUSED
    assert listing["droppedTargetCounts"] == {"s": SHOWN_REFUSED + 2}
