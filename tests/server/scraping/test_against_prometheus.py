"""The same configuration in a real Prometheus and here gives the same series."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from novaql import tsdb
from novaql.server.scraping.config import scrape_jobs_of
from novaql.server.scraping.samples import REPORTED
from novaql.server.scraping.scraper import ScrapeManager
from tests.support.peers.exposer import Exposer, exposing
from tests.support.programs.prometheus_data import prometheus_with_data

pytestmark = pytest.mark.slow

BODY = b"""\
# TYPE requests_total counter
# HELP requests_total Requests.
requests_total{code="200",path="/a"} 10
requests_total{code="500",path="/a"} 2
requests_total{code="200",path="/b",job="own",instance="mine"} 3
# TYPE latency histogram
latency_bucket{le="1.0"} 3
latency_bucket{le="+Inf"} 5
latency_sum 4.5
latency_count 5
go_info{version="go1.22",long="0123456789012345678901234567890123456789"} 1
old_one{kind="x"} 7 A_WHILE_AGO
tmp_a 1
tmp_b 2
"""

CONFIG = """\
global:
  scrape_interval: 1s
  external_labels: {region: eu}
scrape_configs:
  - job_name: plain
    static_configs: [{targets: ["ADDRESS"], labels: {team: red, empty: ""}}]
  - job_name: honest
    honor_labels: true
    static_configs: [{targets: ["ADDRESS"]}]
  - job_name: at-once
    honor_timestamps: false
    static_configs: [{targets: ["ADDRESS"]}]
  - job_name: relabelled
    metrics_path: /wrong
    scheme: https
    params: {one: [a, b], two: [c]}
    static_configs:
      - targets: ["ADDRESS", "drop.me:80", "keep.not:80"]
        labels: {__meta_kind: node, __meta_zone: eu-1, __param_two: d}
    relabel_configs:
      - {source_labels: [__address__], regex: 'drop.*', action: drop}
      - {source_labels: [__address__], regex: '127.*', action: keep}
      - {target_label: __metrics_path__, replacement: /metrics}
      - {target_label: __scheme__, replacement: http}
      - {regex: '__meta_(.+)', action: labelmap}
      - {source_labels: [zone], regex: '(.+)-(.+)', target_label: place, replacement: '${2}_$1'}
      - {source_labels: [__param_one], target_label: first}
      - {source_labels: [kind], target_label: loud, action: uppercase}
      - {source_labels: [zone, kind], modulus: 7, target_label: shard, action: hashmod}
      - {source_labels: [job], target_label: job, replacement: 'new_$1'}
      - {regex: zone, action: labeldrop}
    metric_relabel_configs:
      - {source_labels: [__name__], regex: 'go_.*', action: drop}
      - {source_labels: [path], regex: '/(.*)', target_label: path, replacement: '$1'}
      - {source_labels: [__name__], regex: 'tmp_.', target_label: __name__, replacement: tmp}
      - {source_labels: [code], regex: '5..', target_label: bad, replacement: 'yes'}
      - {source_labels: [job, code], target_label: both, separator: '-'}
      - {regex: 'exported_.*', action: labeldrop}
  - job_name: few
    sample_limit: 3
    static_configs: [{targets: ["ADDRESS"]}]
  - job_name: enough
    sample_limit: 3
    static_configs: [{targets: ["ADDRESS"]}]
    metric_relabel_configs: [{source_labels: [__name__], regex: 'requests.*|tmp.*', action: drop},
                             {source_labels: [__name__], regex: 'latency.*', action: drop}]
  - job_name: short-values
    label_value_length_limit: 30
    static_configs: [{targets: ["ADDRESS"]}]
  - job_name: short-names
    label_name_length_limit: 6
    static_configs: [{targets: ["ADDRESS"]}]
  - job_name: few-labels
    label_limit: 4
    static_configs: [{targets: ["ADDRESS"]}]
  - job_name: small
    body_size_limit: 100B
    static_configs: [{targets: ["ADDRESS"]}]
  - job_name: too-many
    target_limit: 1
    static_configs: [{targets: ["ADDRESS", "127.0.0.1:1"]}]
  - job_name: nobody
    static_configs: [{targets: ["127.0.0.1:1"]}]
  - job_name: listed
    file_sd_configs: [{files: ["FOLDER/*.json"]}]
  - job_name: told
    http_sd_configs: [{url: "http://TELLER/groups"}]
"""


TARGETS = 15
COUNTED = ("scrape_samples_scraped", "scrape_samples_post_metric_relabeling")
COUNTED_UP_TO_THE_FAULT = ("short-names", "short-values", "few-labels")
"""Prometheus counts the samples before the one that breaks a limit of labels; here are none."""


@contextlib.contextmanager
def programs(folder: Path) -> Iterator[tuple[Exposer, str]]:
    """A target, and the configuration that leads to it in every way."""
    with exposing() as target, exposing() as teller:
        target.body = BODY.replace(b"A_WHILE_AGO", b"%d" % (time.time() * 1000 - 20_000))
        groups = [{"targets": [target.address], "labels": {"from": "there"}}]
        teller.body, teller.content_type = json.dumps(groups).encode(), "application/json"
        listed = [{"targets": [target.address], "labels": {"from": "file"}}]
        (folder / "targets.json").write_text(json.dumps(listed))
        text = CONFIG.replace("ADDRESS", target.address).replace("FOLDER", str(folder))
        yield target, text.replace("TELLER", teller.address)


def without_times(series: list[dict[str, str]]) -> set[str]:
    return {json.dumps(labels, sort_keys=True) for labels in series}


def test_series_values_and_targets_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "sd").mkdir()
    with programs(tmp_path / "sd") as (_, text), tsdb.memory() as store:
        config = tmp_path / "prometheus.yml"
        config.write_text(text)
        manager = ScrapeManager(config, scrape_jobs_of(config), store)
        with prometheus_with_data(tmp_path / "data", config=text) as theirs:
            manager.start()
            try:
                until_all_are_scraped(theirs.url)
                expected = series_of(theirs.url)
                ups = values_of(theirs.url, "up")
                counted = {name: values_of(theirs.url, name) for name in COUNTED}
                targets = httpx.get(f"{theirs.url}/api/v1/targets").json()["data"]
            finally:
                report = manager.scrape_report()
                manager.stop()

        found = without_times([*store.series([], 0, 2**60)])
        assert sorted(found - expected) == []
        assert sorted(expected - found) == []
        assert without_few(last_values(store, "up")) == without_few(ups)
        for name, wanted in counted.items():
            assert compared(last_values(store, name)) == compared(wanted)
    health = {(t["scrapePool"], t["scrapeUrl"]): t["health"] for t in targets["activeTargets"]}
    ours_health = {(t.pool, t.url): t.health for t in report.targets}
    few = [key for key in health if key[0] == "few"]
    assert [ours_health.pop(key) for key in few] == ["down"]
    assert ours_health == {key: state for key, state in health.items() if key not in few}
    for ours, theirs_ in zip(
        sorted(report.targets, key=lambda t: (t.pool, t.url)),
        sorted(targets["activeTargets"], key=lambda t: (t["scrapePool"], t["scrapeUrl"])),
        strict=True,
    ):
        assert dict(ours.labels) == theirs_["labels"]
        assert {n: v for n, v in ours.discovered.items() if v} == theirs_["discoveredLabels"]
    assert sorted(d.discovered["__address__"] for d in report.dropped) == sorted(
        d["discoveredLabels"]["__address__"] for d in targets["droppedTargets"]
    )


def without_few(values: Mapping[str, float]) -> dict[str, float]:
    """Of a target above its sample limit, Prometheus 2.53 tells in turn that it is up and down."""
    return {k: value for k, value in values.items() if json.loads(k)["job"] != "few"}


def compared(values: Mapping[str, float]) -> dict[str, float]:
    return {
        labels: value
        for labels, value in values.items()
        if json.loads(labels)["job"] not in COUNTED_UP_TO_THE_FAULT
    }


def until_all_are_scraped(url: str) -> None:
    """Its discovery lets five seconds pass before targets are known; then two scrapes are due."""
    end = time.monotonic() + 120
    while len(values_of(url, "up")) < TARGETS:
        assert time.monotonic() < end, "prometheus does not scrape"
        time.sleep(0.1)
    time.sleep(2.2)


def series_of(url: str) -> set[str]:
    """Series with samples. Of a scrape that breaks its sample limit, Prometheus 2.53 stores a few
    samples after all; here such a scrape brings nothing but its report."""
    every = values_of(url, "last_over_time({__name__=~'.+'}[10m])")
    few = [json.loads(labels) for labels in every if '"job": "few"' in labels]
    kept = {json.dumps(one, sort_keys=True) for one in few if one["__name__"] not in REPORTED}
    return set(every) - kept


def values_of(url: str, name: str) -> Mapping[str, float]:
    result = httpx.get(f"{url}/api/v1/query", params={"query": name}).json()["data"]["result"]
    return {json.dumps(one["metric"], sort_keys=True): float(one["value"][1]) for one in result}


def last_values(store: tsdb.Database, name: str) -> Mapping[str, float]:
    matcher = tsdb.Matcher("__name__", tsdb.MatchOp.EQUAL, name)
    selection = store.select([matcher], 0, 2**60)
    out: dict[str, float] = {}
    for view in selection.views():
        flat = view.ragged()
        assert flat.offsets is not None
        for row, end in zip(flat.rows.tolist(), flat.offsets[1:].tolist(), strict=True):
            labels = json.dumps(selection.series.labels(row), sort_keys=True)
            out[labels] = float(flat.values[end - 1])
    return out
