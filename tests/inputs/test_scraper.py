from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from novaql.errors import InputError
from novaql.inputs.opening import open_stream
from novaql.inputs.scrape import ACCEPT, scrape
from novaql.inputs.scraper import Scraper, Target
from tests.support.batches import Plain, bits, plain
from tsdb.selection import Metadata
from tsdb.tile import STALE, Batch

NOW = 1_700_000_000_000


class Exposer:
    """A target on loopback whose answer can be changed."""

    def __init__(self) -> None:
        self.body = b"up_time 1\n"
        self.content_type = "text/plain; version=0.0.4"
        self.status = 200
        self.delay = 0.0
        self.packed = False
        self.asked: list[dict[str, str]] = []
        exposer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                exposer.asked.append(dict(self.headers))
                time.sleep(exposer.delay)
                body = gzip.compress(exposer.body) if exposer.packed else exposer.body
                self.send_response(exposer.status)
                self.send_header("Content-Type", exposer.content_type)
                self.send_header("Content-Length", str(len(body)))
                if exposer.packed:
                    self.send_header("Content-Encoding", "gzip")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.address}/metrics"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


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
    made = Exposer()
    yield made
    made.close()


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
        deadline = time.monotonic() + 5
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
        deadline = time.monotonic() + 5
        while len(memory.batches) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert len(memory.batches) >= 2
