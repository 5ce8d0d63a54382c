"""What one target answered over time → the batches that are stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from novaql import tsdb
from novaql.server.scraping.config import read_scrape_jobs, scrape_jobs_of
from novaql.server.scraping.model import TargetGroup, discovered_labels, target_of
from novaql.server.scraping.samples import SampleMaker
from novaql.server.scraping.scraper import ScrapeManager
from novaql.tsdb.model.samples import STALE, Batch
from novaql.tsdb.model.source import Metadata
from tests.server.scraping.test_scraper import eventually, job, samples_of
from tests.support.messages.metric_families import histograms_and_counter
from tests.support.peers.exposer import PROTOBUF, exposing
from tests.support.store.batches import Plain, bits, plain

NOW = 1_700_000_000_000
TEXT = "text/plain; version=0.0.4"
REPORT = {
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
}


def maker(folder: Path, more: str = "", **labels: str) -> SampleMaker:
    """Of the target `h:1`, in the job `test`."""
    config = folder / "scrape.yml"
    config.write_text(
        "scrape_configs:\n- job_name: test\n  static_configs: [{targets: ['h:1']}]\n" + more
    )
    (found,) = read_scrape_jobs(config)
    target = target_of(
        found, discovered_labels(found, TargetGroup(targets=("h:1",), labels=labels), "h:1")
    )
    assert target is not None
    return SampleMaker(target)


def stored(one: SampleMaker, body: bytes, at_ms: int, kind: str = TEXT) -> Batch:
    """The batch of an answer that the store took."""
    batch = one.success(body, kind, at_ms, 0.5)
    one.stored()
    return batch


def named(found: Plain) -> dict[str, dict[int, bytes]]:
    return {dict(labels)["__name__"]: samples for labels, samples in found.items()}


def test_labels_of_the_target_and_a_report_are_added(tmp_path: Path) -> None:
    one = maker(tmp_path, dc="eu")
    found = plain(stored(one, b'# HELP a An a.\na{job="mine",x="1"} 2\n', NOW))
    target = (("dc", "eu"), ("instance", "h:1"), ("job", "test"))
    assert found.pop(
        (("__name__", "a"), *target[:1], ("exported_job", "mine"), *target[1:], ("x", "1"))
    ) == {NOW: bits(2.0)}
    assert found[(("__name__", "up"), *target)] == {NOW: bits(1.0)}
    assert found[(("__name__", "scrape_samples_scraped"), *target)] == {NOW: bits(1.0)}
    assert set(named(found)) == REPORT
    assert one.metadata == {"a": Metadata("unknown", "An a.")}


def test_series_that_vanish_become_stale(tmp_path: Path) -> None:
    """Those whose times the target gives do not."""
    one = maker(tmp_path)
    body = b"a 1\nb 1\ntimed 1 1000\n"
    first, second = stored(one, body, NOW), stored(one, body, NOW + 1)
    third = named(plain(stored(one, b"a 1\nc 1\n", NOW + 2)))
    fourth = named(plain(one.failure(NOW + 3, 0.5)))
    one.stored()
    fifth = named(plain(one.failure(NOW + 4, 0.5)))
    assert set(named(plain(first))) == set(named(plain(second)))
    assert third["b"] == {NOW + 2: bits(STALE)}
    assert "timed" not in third
    assert third["a"] == {NOW + 2: bits(1.0)}
    assert fourth["a"] == fourth["c"] == {NOW + 3: bits(STALE)}
    assert fourth["up"] == {NOW + 3: bits(0.0)}
    assert set(fifth) == REPORT


def test_markers_are_made_again_after_the_store_refused_them(tmp_path: Path) -> None:
    one = maker(tmp_path)
    stored(one, b"a 1\nb 1\n", NOW)
    one.success(b"a 1\n", TEXT, NOW + 1, 0.5)  # not stored
    again = named(plain(stored(one, b"a 1\n", NOW + 2)))
    assert again["b"] == {NOW + 2: bits(STALE)}


def test_native_histograms_are_stored_and_ended(tmp_path: Path) -> None:
    one = maker(tmp_path, "  scrape_native_histograms: true\n")
    first = stored(one, histograms_and_counter("h", "i"), NOW, PROTOBUF)
    gone = named(plain(stored(one, histograms_and_counter("h"), NOW + 1, PROTOBUF)))
    assert first.native is not None
    assert first.native.timestamps.tolist() == [NOW, NOW]
    labels = {"instance": "h:1", "job": "test"}
    rows = [first.series.labels(row) for row in first.native.series_index.tolist()]
    assert rows == [{"__name__": "h", **labels}, {"__name__": "i", **labels}]
    assert first.starts is not None
    assert 9000 in first.starts.tolist()
    assert named(plain(first))["scrape_samples_scraped"] == {NOW: bits(3.0)}
    assert gone["i"] == {NOW + 1: bits(STALE)}
    assert "h" not in gone


def test_a_store_that_fails_does_not_end_the_scraping(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Full:
        def __init__(self, store: tsdb.Database) -> None:
            self.store, self.asked, self.full = store, 0, True

        def append(self, batch: Batch) -> None:
            self.asked += 1
            if self.full:
                raise OSError("no space left")
            self.store.append(batch)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.store, name)

    with exposing() as target, tsdb.memory() as store:
        config = tmp_path / "scrape.yml"
        every = "global: {scrape_interval: 100ms, scrape_timeout: 90ms}\n"
        config.write_text(every + job(target.address))
        full: Any = Full(store)
        manager = ScrapeManager(config, scrape_jobs_of(config), full)
        manager.start()
        try:
            eventually(lambda: full.asked >= 4)
            (view,) = manager.scrape_report().targets
            full.full = False
            eventually(lambda: samples_of(store, __name__="up_time"))
            eventually(lambda: manager.scrape_report().targets[0].health == "up")
        finally:
            manager.stop()
        count = full.asked
        eventually(lambda: full.asked == count)
    assert (view.health, view.error) == ("down", "the samples were not stored: no space left")
    assert [record.message for record in caplog.records if "not stored" in record.message] == [
        f"scrape of {view.url} failed: the samples were not stored: no space left"
    ]
