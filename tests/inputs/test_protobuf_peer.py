"""The protobuf format against a real Prometheus: as a target of ours, and as a reader beside us."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from novaql import query
from novaql.inputs.http.scrape import scrape
from novaql.inputs.read_options import ExposedOptions
from novaql.inputs.tables.table_source import TableSource
from novaql.server.scraping.samples import with_target_labels
from novaql.tsdb.model.samples import Batch
from tests.support.messages.metric_families import FAMILY_CLASSES, delimited
from tests.support.peers.exposer import PROTOBUF, exposing
from tests.support.programs.prometheus_server import free_port
from tests.support.store.batches import Plain, plain

pytestmark = pytest.mark.slow

NATIVE = ExposedOptions(native_histograms=True, always_classic=True)


@contextmanager
def prometheus(folder: Path, scraped: str) -> Iterator[str]:
    """Its address, scraping one target; skips where none is installed."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("no prometheus here: apt-get install prometheus")
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\n"
        "scrape_configs:\n"
        "- job_name: peer\n"
        "  scrape_classic_histograms: true\n"
        f"  static_configs: [{{targets: ['{scraped}']}}]\n"
    )
    address = f"127.0.0.1:{free_port()}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
                "--enable-feature=native-histograms",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(lambda: ask(address, "/-/ready") is not None)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def ask(address: str, path: str, **parameters: str) -> bytes | None:
    """The answer; None while there is none."""
    try:
        with urllib.request.urlopen(
            f"http://{address}{path}?{urllib.parse.urlencode(parameters)}", timeout=10
        ) as answer:
            body: bytes = answer.read()
            return body
    except OSError:
        return None


def wait_for(ready: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "prometheus did not come so far in time"
        time.sleep(0.1)


def families(time_ms: int) -> list[Any]:
    """Native histograms of every kind that the format has, and the other types."""
    family = FAMILY_CLASSES["proto2"]
    spans = {
        "positive_span": [{"offset": -3, "length": 2}, {"offset": 2, "length": 3}],
        "negative_span": [{"offset": 1, "length": 2}],
    }
    whole: dict[str, Any] = {
        "sample_count": 3 + 1 + 4 + 2 + 9 + 1 + 5 + 6,
        "sample_sum": -12.5,
        "schema": 2,
        "zero_threshold": 0.01,
        "zero_count": 3,
        "positive_delta": [1, 3, -2, 7, -8],
        "negative_delta": [5, 1],
        "bucket": [
            {"cumulative_count": 20, "upper_bound": 1},
            {"cumulative_count": 25, "upper_bound": 2.5},
        ],
        **spans,
    }
    floats = {
        "sample_count_float": 20.25,
        "sample_sum": 4.5,
        "schema": -1,
        "zero_threshold": 1e-9,
        "zero_count_float": 0.5,
        "positive_count": [1.5, 0.25, 3.0, 0.0, 7.0],
        "negative_count": [2.0, 6.0],
        **spans,
    }
    empty = {"zero_threshold": 0.0, "positive_span": [{"offset": 0, "length": 0}]}
    histograms: list[tuple[str, int, dict[str, Any]]] = [
        ("whole", 4, whole),
        ("floats", 4, floats),
        ("gauge", 5, whole),
        ("empty", 4, empty),
        ("classic", 4, {"sample_count": 9, "bucket": whole["bucket"][:1]}),
    ]
    made = []
    for name, kind, content in histograms:
        one = family(name=f"{name}_histogram", type=kind)
        for schema in (content.get("schema", 0), 8):
            metric = one.metric.add(histogram={**content, "schema": schema}, timestamp_ms=time_ms)
            metric.label.add(name="schema", value=str(schema))
        made.append(one)
    simple: list[tuple[str, int, dict[str, Any]]] = [
        ("requests_total", 0, {"counter": {"value": 17.5}}),
        ("depth", 1, {"gauge": {"value": -0.0}}),
        ("odd", 3, {"untyped": {"value": 1e300}}),
        (
            "took",
            2,
            {
                "summary": {
                    "sample_count": 300,
                    "sample_sum": 1.5,
                    "quantile": [{"quantile": 0.5, "value": 2}, {"quantile": 1, "value": 3}],
                }
            },
        ),
    ]
    for name, kind, content in simple:
        one = family(name=name, type=kind)
        one.metric.add(**content, timestamp_ms=time_ms)
        made.append(one)
    return made


def by_series(data: Any) -> dict[str, Any]:
    """Samples of an instant vector by label set."""
    return {
        json.dumps(one["metric"], sort_keys=True): one.get("histogram", one.get("value"))
        for one in data["result"]
    }


def test_prometheus_reads_the_same_messages_the_same_way(tmp_path: Path) -> None:
    with exposing() as exposer:
        now = int(time.time()) * 1000
        exposer.body, exposer.content_type = delimited(families(now)), PROTOBUF
        with prometheus(tmp_path, exposer.address) as address:
            everything = {
                "query": '{job="peer",__name__!~"up|scrape_.*"}',
                "time": str(now // 1000),
            }

            def asked() -> dict[str, Any]:
                answer = ask(address, "/api/v1/query", **everything)
                return {} if answer is None else by_series(json.loads(answer)["data"])

            wait_for(lambda: len(asked()) > 0)
            theirs = asked()
        scraped, _ = scrape(exposer.url, at_ms=now, options=NATIVE)
        # Prometheus adds the labels of the target.
        labels = {"job": "peer", "instance": exposer.address}
        table = with_target_labels(scraped.series, labels, honor=False)
    batch = replace(scraped, series=table)
    ours = query(everything["query"], TableSource(batch), time=now // 1000)
    assert by_series(ours.to_prometheus()) == theirs
    assert sum(isinstance(sample[1], dict) for sample in theirs.values()) >= 7


def test_prometheus_as_a_target_gives_the_same_as_in_its_text(tmp_path: Path) -> None:
    with prometheus(tmp_path, "127.0.0.1:9") as address:
        url = f"http://{address}/metrics"
        scrape(url)
        before, metadata_before = scrape(url)
        found, metadata = scrape(url, options=NATIVE)
        after, metadata_after = scrape(url)
        samples = plain(found)
        first, last = in_both_formats(before), in_both_formats(after)
        assert first.keys() <= samples.keys() <= last.keys()
        names = {one.labels(row)["__name__"] for one, row in native_rows(found)}
        assert "prometheus_tsdb_compaction_duration_seconds" in names
        assert metadata_before == metadata == metadata_after
        assert found.starts is not None
        # What stood still between the two texts is the same in the message between them.
        still = [
            key
            for key, old in first.items()
            if [*old.values()] == [*last[key].values()]
            and not dict(key)["__name__"].startswith(("go_", "process_"))  # they go up and down
        ]
        assert len(still) > 100
        for key in still:
            (value,), (text_value,) = samples[key].values(), last[key].values()
            # Text does not tell one NaN from another.
            np.testing.assert_array_equal(np.frombuffer(value), np.frombuffer(text_value))


def in_both_formats(batch: Batch) -> Plain:
    """Without the one histogram that has no classic buckets, which text alone makes up."""
    return {
        key: samples
        for key, samples in plain(batch).items()
        if not dict(key)["__name__"].startswith("prometheus_tsdb_tombstone_cleanup_seconds")
    }


def native_rows(batch: Batch) -> list[tuple[Any, int]]:
    assert batch.native is not None
    return [(batch.series, row) for row in batch.native.series_index.tolist()]
