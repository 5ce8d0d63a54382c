from __future__ import annotations

from collections.abc import Iterator

import pytest

from novaql.errors import InputError
from novaql.inputs.http.scrape import ACCEPT, ACCEPT_PROTOBUF, scrape
from novaql.inputs.open_any import open_stream
from novaql.inputs.read_options import ExposedOptions
from novaql.tsdb.model.source import Metadata
from tests.support.messages.metric_families import histograms_and_counter
from tests.support.peers.exposer import PROTOBUF, Exposer, exposing
from tests.support.store.batches import Plain, bits, plain

NOW = 1_700_000_000_000


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
    batch, metadata = scrape(exposer.url, at_ms=NOW)
    assert len(batch) == 2
    assert plain(batch) == {
        (("__name__", "a"), ("x", "1")): {NOW: bits(2.0)},
        (("__name__", "b_bucket"), ("le", "5.0")): {1000: bits(3.0)},
    }
    assert metadata == {"a": Metadata("counter")}
    assert exposer.asked[0]["Accept"] == ACCEPT


def test_openmetrics_is_chosen_by_content_type(exposer: Exposer) -> None:
    exposer.content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    exposer.body = b"a 1 1.5\n# EOF\n"
    batch, _ = scrape(exposer.url)
    assert batch.timestamps.tolist() == [1500]
    exposer.body = b"a 1 1.5\n"
    with pytest.raises(InputError, match="# EOF is missing"):
        scrape(exposer.url)


def test_failures_say_why(exposer: Exposer) -> None:
    exposer.status = 503
    with pytest.raises(InputError, match="answered 503"):
        scrape(exposer.url)
    exposer.status = 200
    exposer.body = b"a one\n"
    with pytest.raises(InputError, match=f"{exposer.url}:1:3: 'one' is no number"):
        scrape(exposer.url)
    exposer.body = b"a 1\n" * 1000
    with pytest.raises(InputError, match="more than 100 bytes"):
        scrape(exposer.url, most_bytes=100)
    exposer.delay = 0.5
    with pytest.raises(InputError, match=r"within 0\.1 s"):
        scrape(exposer.url, 0.1)
    with pytest.raises(InputError, match="refused"):
        scrape("http://127.0.0.1:9/metrics")
    with pytest.raises(InputError, match="only http"):
        scrape("file:///etc/hostname")


def test_an_address_can_be_opened_as_data(exposer: Exposer) -> None:
    assert open_stream(exposer.url).collect().samples == 1
    exposer.status = 404
    with pytest.raises(InputError, match="404"):
        open_stream(exposer.url)


@pytest.mark.parametrize("wanted", [False, True])
def test_protobuf_is_asked_for_when_native_histograms_are_wanted(
    exposer: Exposer, wanted: bool
) -> None:
    exposer.body, exposer.content_type = histograms_and_counter("h"), PROTOBUF
    options = ExposedOptions(native_histograms=wanted)
    batch, metadata = scrape(exposer.url, at_ms=NOW, options=options)
    assert exposer.asked[-1]["Accept"] == (ACCEPT_PROTOBUF if wanted else ACCEPT)
    assert len(batch) == 2
    assert batch.native is not None
    assert batch.native.histograms.count.tolist() == [3.0]
    assert metadata["h"].type == "histogram"


def test_a_target_that_gives_text_is_read_as_text(exposer: Exposer) -> None:
    exposer.body = b"a 1\n"
    batch, _ = scrape(exposer.url, options=ExposedOptions(native_histograms=True))
    assert batch.values.tolist() == [1.0]


def test_damaged_protobuf_is_a_failed_scrape(exposer: Exposer) -> None:
    exposer.body, exposer.content_type = histograms_and_counter("h")[:-1], PROTOBUF
    with pytest.raises(InputError, match=r"is cut off$"):
        scrape(exposer.url)
