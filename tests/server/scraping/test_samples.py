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
from tests.support.messages.metric_families import (
    FAMILY_CLASSES,
    TYPES,
    delimited,
    histograms_and_counter,
)
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


def by_name(found: Batch) -> dict[str, dict[str, str]]:
    """Labels of the series of an answer, by name, without the report and the target's job."""
    sets = found.series.dicts()
    wanted = [labels for labels in sets if labels["__name__"] not in REPORT]
    return {s["__name__"]: {n: v for n, v in s.items() if n != "__name__"} for s in wanted}


def test_a_label_moves_to_the_first_exported_label_that_its_series_does_not_have(
    tmp_path: Path,
) -> None:
    body = b'a{job="x"} 1\nb{job="y",exported_job="z"} 2\nc{exported_job="w"} 3\n'
    found = by_name(stored(maker(tmp_path), body, NOW))
    target = {"job": "test", "instance": "h:1"}
    assert found == {
        "a": {**target, "exported_job": "x"},
        "b": {**target, "exported_job": "z", "exported_exported_job": "y"},
        "c": {**target, "exported_job": "w"},
    }


@pytest.mark.parametrize("kind", [TEXT, PROTOBUF])
def test_an_honoured_label_with_an_empty_value_is_no_label(tmp_path: Path, kind: str) -> None:
    """A pushgateway exposes `instance=""`."""
    one = maker(tmp_path, "  honor_labels: true\n")
    family = FAMILY_CLASSES["proto2"](name="a", type=TYPES.index("untyped"))
    for value, labels in enumerate([{"instance": "", "x": ""}, {"x": "1"}, {"job": "y"}]):
        metric = family.metric.add()
        metric.untyped.value = value
        for name, text in labels.items():
            metric.label.add(name=name, value=text)
    text_body = b'a{instance="",x=""} 0\na{x="1"} 1\na{job="y"} 2\n'
    found = stored(one, text_body if kind == TEXT else delimited([family]), NOW, kind)
    ours = [labels for labels in found.series.dicts() if labels.pop("__name__") == "a"]
    assert sorted(ours, key=str) == [
        {"instance": "h:1", "job": "test", "x": "1"},
        {"instance": "h:1", "job": "y"},
        {"job": "test"},
    ]


def test_the_first_of_equal_series_is_stored(tmp_path: Path) -> None:
    found = named(plain(stored(maker(tmp_path), b"a 1\na 2\na 3 1000\nb 4\n", NOW)))
    assert found["a"] == {NOW: bits(1.0), 1000: bits(3.0)}
    assert found["b"] == {NOW: bits(4.0)}
    assert found["scrape_samples_scraped"] == {NOW: bits(4.0)}


def test_series_of_the_report_that_a_target_exposes_do_not_replace_it(tmp_path: Path) -> None:
    one = maker(tmp_path)
    with tsdb.memory() as store:
        for at, body in enumerate([b"up 5\n", b"b 1\n", b"up 5\n"]):
            store.append(stored(one, body, NOW + at))
        store.append(one.failure(NOW + 3, 0.5))
        found = samples_of(store, __name__="up")
    assert found == [(NOW + at, up, False) for at, up in enumerate([1.0, 1.0, 1.0, 0.0])]


def test_only_new_series_are_added(tmp_path: Path) -> None:
    """Also those with a time; those from before failed scrapes are not new."""
    one = maker(tmp_path)

    def added(found: Batch) -> bytes:
        (value,) = named(plain(found))["scrape_series_added"].values()
        return value

    body = b"a 1\nb 1 1000\n"
    assert added(stored(one, body, NOW)) == bits(2.0)
    assert added(one.failure(NOW + 1, 0.5)) == bits(0.0)
    one.stored()
    assert added(stored(one, body, NOW + 2)) == bits(0.0)
    assert added(stored(one, body + b"c 1\n", NOW + 3)) == bits(1.0)


def test_a_target_that_was_not_scraped_has_no_series_to_end(tmp_path: Path) -> None:
    one, after = maker(tmp_path), maker(tmp_path)
    assert len(one.end(NOW)) == 0
    stored(one, b"a 1\n", NOW)
    after.continue_from(one)
    assert set(named(plain(after.end(NOW + 1)))) == {"a", *REPORT}


@pytest.mark.slow
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
