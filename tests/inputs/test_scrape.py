from __future__ import annotations

from collections.abc import Iterator

import pytest

from novaql.errors import InputError
from novaql.inputs.http.scrape import ACCEPT, ACCEPT_PROTOBUF, scrape
from novaql.inputs.open_any import open_stream
from novaql.inputs.read_options import ExposedOptions
from novaql.tsdb.model.source import Metadata
from tests.support.messages.metric_families import FAMILY_CLASSES, delimited
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
