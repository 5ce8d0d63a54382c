"""Remote read from both sides: our server and a real Prometheus answer, our client asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from novaql import InputError, query, tsdb
from novaql.inputs.importer import import_into
from novaql.inputs.prometheus import read_messages
from novaql.inputs.prometheus.remote_read import RemoteReadSource
from novaql.inputs.source_stream import source_stream
from novaql.inputs.tables.table_source import TableSource
from novaql.server.prometheus import read_chunks
from novaql.tsdb.model.samples import STALE, Batch, HistogramSamples
from tests.support.messages.remote_write_messages import Series, message_of, packed
from tests.support.programs.prometheus_programs import running_prometheus
from tests.support.servers.http_server import WRITE_HEADERS, LocalServer, local_server
from tests.support.store.stored_histograms import Native, histograms_of, natives_of, simple

START = 1_700_000_000_000
EVER = (START - 10**9, START + 10**9)


def url_of(server: LocalServer) -> str:
    return f"{server.client.base_url}".rstrip("/") + "/prometheus/api/v1/read"


def flat(source: tsdb.Source) -> dict[str, object]:
    """Every sample of a source by series, exact to the bit."""
    out: dict[str, list[object]] = {}
    for batch in source_stream(source).batches:
        names = [str(labels) for labels in batch.series.dicts()]
        bits = batch.values.view(np.uint64).tolist()
        for row, time, value in zip(
            batch.series_index.tolist(), batch.timestamps.tolist(), bits, strict=True
        ):
            out.setdefault(names[row], []).append((time, value))
        if batch.native is not None:
            for row, time, one in zip(
                batch.native.series_index.tolist(),
                batch.native.timestamps.tolist(),
                natives_of(batch.native.histograms.without_reset_hints()),
                strict=True,
            ):
                out.setdefault(names[row], []).append((time, str(one)))
    return {name: sorted(samples, key=str) for name, samples in out.items()}


def mixed_batch() -> Batch:
    """Floats, histograms of integers and of floats, custom buckets, and a series that switches."""
    rng = np.random.default_rng(3)
    label_sets = [{"__name__": "m", "i": str(i)} for i in range(40)] + [{"__name__": "h"}]
    index = np.repeat(np.arange(40), 300)
    times = np.tile(START + 15_000 * np.arange(300) + 7, 40)
    values = rng.normal(size=len(index)).round(2)
    values[::97] = np.nan
    custom = Native(-53, 0, (0, 0, 0, 0), ((1, int(np.float64(2.5).view("u8"))),), (), (0.5, 2.0))
    ones = [simple(3, b1=1.0, b2=2.0), simple(5, b1=2.0, b2=3.0), simple(1.5, b9=1.5), custom]
    where = START + 7 + 60_000 * np.array([0, 1, 3, 4])
    native = HistogramSamples(np.full(4, 40), where, histograms_of(ones))
    gaps = START + 7 + 60_000 * np.array([2, 5])
    return Batch(
        tsdb.SeriesTable.from_dicts(label_sets),
        np.append(index, [40, 40]),
        np.append(times, gaps),
        np.append(values, [4.0, STALE]),
        native,
    )


@contextmanager
def filled_server() -> Iterator[LocalServer]:
    with tsdb.memory() as database:
        database.append(mixed_batch())
        with local_server(database) as server:
            yield server


def test_chunks_and_samples_bring_what_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_chunks, "FRAME_BYTES", 500)  # many frames, series across them
    expected = flat(TableSource(mixed_batch()))
    with filled_server() as server:
        source = RemoteReadSource(url_of(server), headers=server.bearer())
        streamed = flat(source)
        names = source.label_values("i", [], *EVER)
        monkeypatch.setattr(
            "novaql.inputs.prometheus.remote_read.read_request",
            lambda *args, labels_only: read_messages.read_request(*args, labels_only=True).replace(
                b"series", b"nothin"
            ),
        )
        plain = flat(source)

    assert streamed == expected
    assert plain == expected
    assert names == sorted(str(i) for i in range(40))


def test_a_query_reads_an_address_and_an_import_copies_it() -> None:
    with filled_server() as server:
        address = url_of(server).replace("http://", f"http://user:{token(server)}@")
        found = query("sum(count_over_time(m[1h]))", address, time=START / 1000 + 3600)
        with tsdb.memory() as copy:
            report = import_into(copy, address)
            copied = flat(copy)

    assert found.values.item() == 40 * 240
    assert report.samples == 40 * 300 + 6
    assert copied == flat(TableSource(mixed_batch()))


def token(server: LocalServer) -> str:
    return server.bearer()["Authorization"].removeprefix("Bearer ")


def test_a_server_that_refuses_and_one_that_is_not_there() -> None:
    with filled_server() as server:
        source = RemoteReadSource(url_of(server))
        with pytest.raises(InputError, match="answered 401"):
            source.select([], *EVER)
    with pytest.raises(InputError, match=r"127\.0\.0\.1:9/api/v1/read"):
        query("m", "http://127.0.0.1:9/api/v1/read", time=0)


class Cut:
    """A body that ends early, or with a byte changed."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def read(self, size: int) -> bytes:
        self._at += size
        return self._data[self._at - size : self._at]


def test_damaged_and_cut_frames_are_told() -> None:
    with tsdb.memory() as database:
        database.append(mixed_batch())
        body = b"".join(read_chunks.frames([database.select([], *EVER)], labels_only=[False]))
    whole = list(read_messages.series_of_frames(Cut(body), "there"))
    assert len(whole) == 41
    for size in [1, 4, 9, len(body) // 2, len(body) - 1]:
        with pytest.raises(InputError, match="there: the answer ends inside a frame"):
            list(read_messages.series_of_frames(Cut(body[:size]), "there"))
    flipped = bytearray(body)
    flipped[len(body) // 2] ^= 4
    with pytest.raises(InputError, match="there: frame 0 does not have its checksum"):
        list(read_messages.series_of_frames(Cut(bytes(flipped)), "there"))


def test_a_real_prometheus_is_read_as_it_answers_itself(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    series: list[Series] = [
        (
            {"__name__": "requests_total", "i": str(i), "job": "a"},
            [
                (START + 7 + 15_000 * k, float(v))
                for k, v in enumerate(np.cumsum(rng.integers(0, 9, 500)))
            ],
        )
        for i in range(20)
    ]
    asked = {"query": "sum by (i) (rate(requests_total[5m]))", "time": str(START // 1000 + 3600)}
    config = "global: {}\nstorage: {tsdb: {out_of_order_time_window: 1y}}\n"
    with running_prometheus(tmp_path / "prometheus", config) as theirs:
        body = packed(message_of(series))
        assert httpx.post(f"{theirs}/api/v1/write", content=body, headers=WRITE_HEADERS).is_success
        source = RemoteReadSource(f"{theirs}/api/v1/read")
        ours = query(asked["query"], source, time=START / 1000 + 3600)
        answer = httpx.get(f"{theirs}/api/v1/query", params=asked).json()["data"]["result"]
        labels = source.label_values("i", [], *EVER)
        samples = source.select([], *EVER).samples

    expected = {one["metric"]["i"]: float(one["value"][1]) for one in answer}
    result = json.loads(ours.json())["result"]
    found = {one["metric"]["i"]: float(one["value"][1]) for one in result}
    assert found == pytest.approx(expected, rel=1e-12)
    assert len(expected) == 20
    assert labels == sorted(str(i) for i in range(20))
    assert samples == 20 * 500
