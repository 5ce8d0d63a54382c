"""What the compiled decoder of remote write holds of a series: the numbers of its label fields."""

from __future__ import annotations

import numpy as np
import pytest

from novaql.inputs.compiled.compiling import WALKS
from novaql.inputs.label_limits import NO_LIMITS, USUAL_LIMITS, LabelLimits
from novaql.inputs.remote_write.compiled_decoder import CompiledDecoder
from tests.support.messages.remote_write_messages import message_of

NOW = 1_700_000_000_000


def compiled(limits: LabelLimits = USUAL_LIMITS) -> CompiledDecoder:
    pytest.importorskip("numba", reason="pip install 'novaql[fast]' brings numba")
    WALKS.prepare()
    kernels = WALKS.ready()
    if kernels is None:
        pytest.skip("NOVAQL_COMPILED=off: run without it")
    return CompiledDecoder(kernels, most_series=10_000, limits=limits)


def test_a_series_does_not_hold_the_bytes_that_it_shares_with_others() -> None:
    """Five labels of some 30 bytes, of which the series have a few hundred between them."""
    series = [
        (
            {
                "__name__": f"http_request_duration_seconds_{number % 3}",
                "instance": f"host-{number // 100:06d}.example.com:8080",
                "job": "a-service-with-a-long-name",
                "status": f"status-{number % 10}",
                "method": f"method-{number // 10 % 10}",
            },
            [(NOW, float(number))],
        )
        for number in range(3000)
    ]
    data = message_of(series).SerializeToString()
    decoder = compiled()
    for _ in range(2):
        found = decoder.decode(np.frombuffer(data, np.uint8))
        assert found is not None
        assert found.batch.series.dicts() == [labels for labels, _ in series]
    known = decoder._known
    assert known.labels_1.count == 3000
    assert known.labels_1.used == 3000 * 5 * 4
    assert known.fields.count == 3 + 30 + 1 + 10 + 10
    assert known.fields.used < 3000


def test_series_of_the_same_fields_in_another_order_are_one_series() -> None:
    message = message_of([({"__name__": "up", "a": "1", "b": "2"}, [(NOW, 1.0)])])
    turned = message_of([({"__name__": "up", "a": "1", "b": "2"}, [(NOW, 2.0)])])
    labels = list(turned.timeseries[0].labels)
    del turned.timeseries[0].labels[:]
    turned.timeseries[0].labels.extend(reversed(labels))
    decoder = compiled()
    for _ in range(2):
        for sent in (message, turned):
            found = decoder.decode(np.frombuffer(sent.SerializeToString(), np.uint8))
            assert found is not None
            assert found.batch.series.rows == 1
    known = decoder._known
    assert (known.fields.count, known.labels_1.count, known.table.rows) == (3, 2, 1)


def test_a_known_series_with_more_labels_is_another_one() -> None:
    """The label fields of the first are the beginning of those of the second, and the reverse."""
    short: dict[str, str] = {"__name__": "up", "a": "1"}
    long = {**short, "b": "2"}
    decoder = compiled()
    for labels in (short, long, short, long):
        data = message_of([(labels, [(NOW, 1.0)])]).SerializeToString()
        found = decoder.decode(np.frombuffer(data, np.uint8))
        assert found is not None
        batch = found.batch
        assert batch.series.labels(int(batch.series_index[0])) == labels


def test_a_series_with_more_labels_than_the_limit_is_left_to_the_plain_decoder() -> None:
    labels = {"__name__": "up", **{f"l{number}": "x" for number in range(8)}}
    data = message_of([(labels, [(NOW, 1.0)])]).SerializeToString()
    octets = np.frombuffer(data, np.uint8)
    assert compiled(LabelLimits(labels=8)).decode(octets) is None
    assert compiled(LabelLimits(labels=9)).decode(octets) is not None


def test_a_decoder_may_have_no_limits() -> None:
    """As for the pushed metrics that a server has stored."""
    decoder = compiled(NO_LIMITS)
    for count in (2, 300):
        labels = {"__name__": "up", **{f"label_{n:03}": str(n) for n in range(count)}}
        data = message_of([(labels, [(NOW, 1.0)])]).SerializeToString()
        for _ in range(2):
            found = decoder.decode(np.frombuffer(data, np.uint8))
            assert found is not None
            batch = found.batch
            assert [batch.series.labels(row) for row in batch.series_index.tolist()] == [labels]
