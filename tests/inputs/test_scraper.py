from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import pytest

from novaql.errors import InputError
from novaql.inputs.exposed_options import ExposedOptions
from novaql.inputs.opening import open_stream
from novaql.inputs.scrape import ACCEPT, ACCEPT_PROTOBUF, scrape
from novaql.inputs.scraper import Scraper, Target
from novaql.tsdb.selection import Metadata
from novaql.tsdb.tile import STALE, Batch
from tests.support.batches import Plain, bits, plain
from tests.support.exposer import PROTOBUF, Exposer, exposing
from tests.support.metric_families import FAMILY_CLASSES, delimited

NOW = 1_700_000_000_000


class Memory:
    """Keeps what is appended."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.metadata: dict[str, Metadata] = {}

    def append(self, batch: Batch, /) -> None:
        self.batches.append(batch)

    def set_metadata(self, metadata: Mapping[str, Metadata], /) -> None:
        self.metadata.update(metadata)


@pytest.fixture
def exposer() -> Iterator[Exposer]:
    with exposing() as made:
        yield made


def named(found: Plain) -> dict[str, dict[int, bytes]]:
    return {dict(labels)["__name__"]: samples for labels, samples in found.items()}


@pytest.mark.parametrize("packed", [False, True])
def test_a_scrape_reads_what_is_exposed(exposer: Exposer, packed: bool) -> None:
    exposer.packed = packed
    exposer.body = b'# TYPE a counter\na{x="1"} 2\nb_bucket{le="5"} 3 1000\n'
    found = scrape(exposer.url, at_ms=NOW)
    assert found.error is None
    assert found.up
    assert found.samples == 2
    assert plain(found.batch) == {
        (("__name__", "a"), ("x", "1")): {NOW: bits(2.0)},
        (("__name__", "b_bucket"), ("le", "5.0")): {1000: bits(3.0)},
    }
    assert found.metadata == {"a": Metadata("counter")}
    assert exposer.asked[0]["Accept"] == ACCEPT


def test_openmetrics_is_chosen_by_content_type(exposer: Exposer) -> None:
    exposer.content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    exposer.body = b"a 1 1.5\n# EOF\n"
    assert scrape(exposer.url).batch.timestamps.tolist() == [1500]
    exposer.body = b"a 1 1.5\n"
    cut = scrape(exposer.url)
    assert not cut.up
    assert "# EOF is missing" in str(cut.error)


def test_failures_say_why(exposer: Exposer) -> None:
    exposer.status = 503
    assert "answered 503" in str(scrape(exposer.url).error)
    exposer.status = 200
    exposer.body = b"a one\n"
    assert f"{exposer.url}:1:3: 'one' is no number" in str(scrape(exposer.url).error)
    exposer.body = b"a 1\n" * 1000
    assert "more than 100 bytes" in str(scrape(exposer.url, most_bytes=100).error)
    exposer.delay = 0.5
    assert "within 0.1 s" in str(scrape(exposer.url, 0.1).error)
    assert "refused" in str(scrape("http://127.0.0.1:9/metrics").error)
    assert "only http" in str(scrape("file:///etc/hostname").error)


def test_an_address_can_be_opened_as_data(exposer: Exposer) -> None:
    assert open_stream(exposer.url).collect().samples == 1
    exposer.status = 404
    with pytest.raises(InputError, match="404"):
        open_stream(exposer.url)


def test_a_scraper_adds_labels_and_a_report(exposer: Exposer) -> None:
    memory = Memory()
    exposer.body = b'# HELP a An a.\na{job="mine",x="1"} 2\n'
    scraper = Scraper(Target(exposer.url, "test", labels={"dc": "eu"}), memory)
    scraper.scrape_once(NOW)
    found = plain(memory.batches[0])
    target = (("dc", "eu"), ("instance", exposer.address), ("job", "test"))
    assert found.pop(
        (("__name__", "a"), *target[:1], ("exported_job", "mine"), *target[1:], ("x", "1"))
    ) == {NOW: bits(2.0)}
    assert found[(("__name__", "up"), *target)] == {NOW: bits(1.0)}
    assert found[(("__name__", "scrape_samples_scraped"), *target)] == {NOW: bits(1.0)}
    assert len(found) == 3
    assert memory.metadata == {"a": Metadata("unknown", "An a.")}


def test_series_that_vanish_become_stale(exposer: Exposer) -> None:
    memory = Memory()
    scraper = Scraper(Target(exposer.url, "test"), memory)
    exposer.body = b"a 1\nb 1\ntimed 1 1000\n"
    scraper.scrape_once(NOW)
    scraper.scrape_once(NOW + 1)
    exposer.body = b"a 1\nc 1\n"
    scraper.scrape_once(NOW + 2)
    exposer.status = 500
    scraper.scrape_once(NOW + 3)
    scraper.scrape_once(NOW + 4)
    first, second, third, fourth, fifth = (named(plain(batch)) for batch in memory.batches)
    assert memory.batches[0].series is memory.batches[1].series
    assert set(first) == set(second)
    assert third["b"] == {NOW + 2: bits(STALE)}
    assert "timed" not in third
    assert third["a"] == {NOW + 2: bits(1.0)}
    assert fourth["a"] == fourth["c"] == {NOW + 3: bits(STALE)}
    assert fourth["up"] == {NOW + 3: bits(0.0)}
    assert set(fifth) == {"up", "scrape_duration_seconds", "scrape_samples_scraped"}


def test_a_scraper_goes_on_until_it_is_stopped(exposer: Exposer) -> None:
    memory = Memory()
    with Scraper(Target(exposer.url, "test", interval=0.05), memory):
        deadline = time.monotonic() + 120
        while len(memory.batches) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
    count = len(memory.batches)
    assert count >= 3
    time.sleep(0.15)
    assert len(memory.batches) == count


def test_a_store_that_fails_does_not_end_the_scraping(exposer: Exposer) -> None:
    class Full(Memory):
        def append(self, batch: Batch, /) -> None:
            super().append(batch)
            if len(self.batches) == 1:
                raise OSError("no space left")

    memory = Full()
    with Scraper(Target(exposer.url, "test", interval=0.05), memory):
        deadline = time.monotonic() + 120
        while len(memory.batches) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert len(memory.batches) >= 2


def test_markers_are_written_again_after_the_store_refused_them(exposer: Exposer) -> None:
    """What vanished in a scrape that was not stored is marked by the next one."""

    class Refusing(Memory):
        fails = False

        def append(self, batch: Batch, /) -> None:
            if self.fails:
                raise OSError("no space left")
            super().append(batch)

    memory = Refusing()
    scraper = Scraper(Target(exposer.url, "test"), memory)
    exposer.body = b"a 1\nb 1\n"
    scraper.scrape_once(NOW)
    exposer.body, memory.fails = b"a 1\n", True
    with pytest.raises(OSError, match="no space left"):
        scraper.scrape_once(NOW + 1)
    memory.fails = False
    scraper.scrape_once(NOW + 2)
    assert named(plain(memory.batches[-1]))["b"] == {NOW + 2: bits(STALE)}


def native_text(*names: str) -> bytes:
    """A native histogram of each name, and a counter that began at a known time."""
    family = FAMILY_CLASSES["proto2"]
    made = []
    for name in names:
        one = family(name=name, type=4)
        one.metric.add(
            histogram={
                "sample_count": 3,
                "zero_threshold": 0.5,
                "positive_span": [{"offset": 0, "length": 2}],
                "positive_delta": [1, 1],
            }
        )
        made.append(one)
    counter = family(name="c_total", type=0)
    counter.metric.add(counter={"value": 5, "created_timestamp": {"seconds": 9}})
    return delimited([*made, counter])


@pytest.mark.parametrize("wanted", [False, True])
def test_protobuf_is_asked_for_when_native_histograms_are_wanted(
    exposer: Exposer, wanted: bool
) -> None:
    exposer.body, exposer.content_type = native_text("h"), PROTOBUF
    found = scrape(exposer.url, at_ms=NOW, options=ExposedOptions(native_histograms=wanted))
    assert exposer.asked[-1]["Accept"] == (ACCEPT_PROTOBUF if wanted else ACCEPT)
    assert found.error is None
    assert found.samples == 2
    assert found.batch.native is not None
    assert found.batch.native.histograms.count.tolist() == [3.0]
    assert found.metadata["h"].type == "histogram"


def test_a_target_that_gives_text_is_read_as_text(exposer: Exposer) -> None:
    exposer.body = b"a 1\n"
    found = scrape(exposer.url, options=ExposedOptions(native_histograms=True))
    assert found.error is None
    assert found.batch.values.tolist() == [1.0]


def test_damaged_protobuf_is_a_failed_scrape(exposer: Exposer) -> None:
    exposer.body, exposer.content_type = native_text("h")[:-1], PROTOBUF
    found = scrape(exposer.url)
    assert not found.up
    assert found.error is not None
    assert found.error.endswith("is cut off")


def test_a_scraper_stores_native_histograms_and_ends_them(exposer: Exposer) -> None:
    memory = Memory()
    target = Target(exposer.url, "test", exposed=ExposedOptions(native_histograms=True))
    scraper = Scraper(target, memory)
    exposer.content_type = PROTOBUF
    exposer.body = native_text("h", "i")
    scraper.scrape_once(NOW)
    scraper.scrape_once(NOW + 1)
    exposer.body = native_text("h")
    scraper.scrape_once(NOW + 2)
    first, second, third = memory.batches
    assert first.series is second.series
    assert first.native is not None
    assert first.native.timestamps.tolist() == [NOW, NOW]
    labels = {"instance": exposer.address, "job": "test"}
    rows = [first.series.labels(row) for row in first.native.series_index.tolist()]
    assert rows == [{"__name__": "h", **labels}, {"__name__": "i", **labels}]
    assert first.starts is not None
    assert first.starts.tolist() == [9000, 0, 0, 0]
    reported = named(plain(first))["scrape_samples_scraped"]
    assert reported == {NOW: bits(3.0)}
    gone = named(plain(third))
    assert gone["i"] == {NOW + 2: bits(STALE)}
    assert "h" not in gone
