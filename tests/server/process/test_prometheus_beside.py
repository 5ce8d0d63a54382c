"""A real Prometheus and this server over the same data give the same JSON."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.messages.remote_write_messages import Series, message_of, packed
from tests.support.programs.prometheus_programs import running_prometheus
from tests.support.servers import patiently
from tests.support.servers.http_server import WRITE_HEADERS, server_process

pytestmark = pytest.mark.slow

START_S = 1_700_000_000 + 0.007  # off the edges of ranges: 2.53 has both ends closed
END_S = START_S + 1800


def samples() -> list[Series]:
    """Half an hour of counters, gauges and special values at 15 s."""
    times = [int(START_S * 1000) + 15_000 * i for i in range(121)]
    specials = [math.inf, -math.inf, math.nan, 1e-7, 1e21, 1e20, 0.1, -1.5]
    found: list[Series] = []
    for instance in "abc":
        labels = {"job": "api", "instance": instance}
        step = ord(instance) - 90
        counter = [float((i * step) % 500) for i in range(121)]
        gauge = [math.sin(i / 7 + step) * 10**step for i in range(121)]
        odd = [specials[(i // 4) % len(specials)] for i in range(121)]
        for name, values in (("requests_total", counter), ("load", gauge), ("odd", odd)):
            pairs = list(zip(times, values, strict=True))
            found.append((labels | {"__name__": name}, pairs))
    return found


class Pair:
    """Prometheus's base URL and ours."""

    def __init__(self, theirs: str, ours: str) -> None:
        self.urls = (f"{theirs}/api/v1", f"{ours}/prometheus/api/v1")

    def get(self, path: str, **parameters: Any) -> tuple[httpx.Response, httpx.Response]:
        first, second = (patiently.get(f"{u}/{path}", params=parameters) for u in self.urls)
        return first, second

    def both(self, path: str, **parameters: Any) -> tuple[Any, Any]:
        first, second = self.get(path, **parameters)
        return comparable(first.json()), comparable(second.json())


def comparable(answer: Any) -> Any:
    """The answer with its series in a fixed order: a vector has none."""
    data = answer.get("data")
    if isinstance(data, dict) and data.get("resultType") in ("vector", "matrix"):
        data["result"].sort(key=str)
    if isinstance(data, list):
        data.sort(key=str)
    return answer


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("beside")
    config = "global: {scrape_interval: 1h}\n"
    with (
        running_prometheus(folder / "prometheus", config) as theirs,
        server_process(folder / "data", "--no-auth") as ours,
    ):
        found = Pair(theirs, ours.url)
        body = packed(message_of(samples()))
        for url in found.urls:
            answer = patiently.post(f"{url}/write", content=body, headers=WRITE_HEADERS)
            assert answer.status_code == 204, answer.text
        yield found


INSTANT = [
    "up",
    "load",
    "odd",
    "-odd",
    "odd[2m]",
    "load > 100",
    "count(load)",
    "time()",
    "1e-7",
    "1e20",
    "1e21",
    "0/0",
    '"te\\"xt\\n"',
    "max by (job) (requests_total)",
    "vector(1e21)",
    "topk(1, load)",
]


@pytest.mark.parametrize("query", INSTANT)
@pytest.mark.parametrize("at", [START_S + 600.5, START_S + 893])
def test_instant_answers_are_equal(pair: Pair, query: str, at: float) -> None:
    theirs, ours = pair.both("query", query=query, time=f"{at:.3f}")

    assert ours == theirs


@pytest.mark.parametrize("query", ["load", "odd", "requests_total % 7", "1", "absent(nothing)"])
@pytest.mark.parametrize("step", ["15", "1m", "0.25"])
def test_range_answers_are_equal(pair: Pair, query: str, step: str) -> None:
    span = {"start": f"{START_S + 5:.3f}", "end": f"{START_S + 300:.3f}"}
    theirs, ours = pair.both("query_range", query=query, step=step, **span)

    assert ours == theirs


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("labels", {}),
        ("labels", {"match[]": "load"}),
        ("label/instance/values", {}),
        ("label/instance/values", {"match[]": 'odd{instance!="a"}'}),
        ("label/__name__/values", {"start": START_S, "end": END_S}),
        ("label/nothing/values", {}),
        ("labels", {"start": END_S + 90_000, "end": END_S + 90_001}),
        ("series", {"match[]": ["load", 'odd{instance="b"}']}),
        ("series", {"match[]": '{job="api", instance=~"a|c"}'}),
        ("metadata", {"metric": "nothing"}),
        ("format_query", {"query": "sum(load)by(job)"}),
    ],
)
def test_other_endpoints_are_equal(pair: Pair, path: str, parameters: dict[str, Any]) -> None:
    theirs, ours = pair.both(path, **parameters)

    assert ours == theirs


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("query", {"query": "1", "time": "now"}),
        ("query", {"query": "1", "timeout": "soon"}),
        ("query_range", {"query": "1"}),
        ("query_range", {"query": "1", "start": 1, "end": 0, "step": 1}),
        ("query_range", {"query": "1", "start": 0, "end": 1, "step": 0}),
        ("query_range", {"query": "1", "start": 0, "end": 1, "step": "x"}),
        ("query_range", {"query": "1", "start": 0, "end": 11_001, "step": 1}),
        ("series", {}),
        ("series", {"match[]": "load", "start": "x"}),
    ],
)
def test_refusals_of_parameters_are_equal(
    pair: Pair, path: str, parameters: dict[str, Any]
) -> None:
    theirs, ours = pair.get(path, **parameters)

    assert ours.json() == theirs.json()
    assert ours.status_code == theirs.status_code


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("query", {"query": "load +"}),
        ("query", {"query": "rates(load[5m])"}),
        ("query", {"query": ""}),
        ("query", {"query": "load * on (job) load", "time": START_S + 600}),
        ("query_range", {"query": "load[5m]", "start": 0, "end": 1, "step": 1}),
        ("series", {"match[]": "load{"}),
        ("nothing", {}),
    ],
)
def test_refusals_of_queries_have_the_same_kind(
    pair: Pair, path: str, parameters: dict[str, Any]
) -> None:
    theirs, ours = pair.get(path, **parameters)

    assert ours.status_code == theirs.status_code
    if theirs.headers["content-type"] == "application/json":
        assert ours.json()["errorType"] == theirs.json()["errorType"]


def test_a_prometheus_with_remote_write_fills_the_server(tmp_path: Path) -> None:
    with server_process(tmp_path / "data") as ours:
        config = f"""
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: self
    static_configs: [{{targets: ["127.0.0.1:{{own_port}}"]}}]
remote_write:
  - url: {ours.url}/prometheus/api/v1/write
    basic_auth: {{username: prometheus, password: {ours.token}}}
    queue_config: {{batch_send_deadline: 1s}}
"""
        with running_prometheus(tmp_path / "prometheus", config):
            wanted = {"query": 'count_over_time(up{job="self"}[1m])'}
            headers = {"Authorization": f"Bearer {ours.token}"}
            url = f"{ours.url}/prometheus/api/v1/query"
            end = time.monotonic() + 60
            count = 0.0
            while count < 3 and time.monotonic() < end:
                time.sleep(0.5)
                result = patiently.get(url, params=wanted, headers=headers).json()["data"]["result"]
                count = float(result[0]["value"][1]) if result else 0.0
            names = patiently.get(
                f"{ours.url}/prometheus/api/v1/label/__name__/values", headers=headers
            ).json()["data"]

    assert count >= 3
    assert "prometheus_build_info" in names
    assert len(names) > 100


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("query", {"query": ""}),
        ("query", {"query": "load", "timeout": "x"}),
        ("query", {"query": "load", "lookback_delta": "x"}),
        ("query_range", {"query": "load"}),
        ("query_range", {"query": "load", "start": 1, "end": 2}),
        ("query_range", {"query": "load", "start": 1, "end": 2, "step": -1}),
        ("query_range", {"query": "load", "start": 1, "end": 2, "step": "1h1h"}),
        ("query_range", {"query": "load", "start": 1, "end": 2, "step": "1e30"}),
        ("query_range", {"query": "load[5m]", "start": 1, "end": 2, "step": 1}),
        ("query_range", {"query": '"a"', "start": 1, "end": 2, "step": 1}),
        ("query_exemplars", {"query": ""}),
        ("query_exemplars", {"query": "load"}),
        ("query_exemplars", {"query": "load", "start": 1, "end": 0}),
        ("query_exemplars", {"query": "load", "start": "x"}),
        ("format_query", {}),
        ("series", {}),
        ("series", {"match[]": "{}"}),
        ("series", {"match[]": '{a=""}'}),
        ("series", {"match[]": "load", "limit": "x"}),
        ("series", {"match[]": "load", "start": 5, "end": 1}),
        ("series", {"match[]": "load[5m]"}),
        ("labels", {"match[]": "{}"}),
        ("labels", {"match[]": ["load", '{x=~".*"}']}),
        ("labels", {"match[]": "rate(load[5m])"}),
        ("labels", {"match[]": "load offset 5m"}),
        ("labels", {"match[]": "1"}),
        ("labels", {"limit": "x"}),
        ("label/job/values", {"match[]": "{}"}),
        ("labels", {"limit": 1}),
        ("metadata", {"limit": "x"}),
        ("metadata", {"limit_per_metric": "x"}),
        ("rules", {}),
        ("rules", {"type": "x"}),
        ("rules", {"exclude_alerts": "x"}),
        ("alerts", {}),
        ("alertmanagers", {}),
        ("targets/metadata", {"limit": "x"}),
        ("targets/metadata", {}),
        ("targets", {}),
        ("targets", {"state": "active"}),
        ("scrape_pools", {}),
        ("status/tsdb", {"limit": "x"}),
        ("status/tsdb", {"limit": 0}),
    ],
)
def test_texts_and_status_codes_are_equal(
    pair: Pair, path: str, parameters: dict[str, Any]
) -> None:
    theirs, ours = pair.get(path, **parameters)

    assert ours.status_code == theirs.status_code
    assert comparable(ours.json()) == comparable(theirs.json())


def test_a_query_without_selectors_has_no_exemplars_to_tell_of(pair: Pair) -> None:
    theirs, ours = pair.get("query_exemplars", query="1")

    assert (ours.status_code, ours.content) == (theirs.status_code, theirs.content) == (204, b"")


def test_a_timeout_that_is_over_at_once(pair: Pair) -> None:
    # Prometheus has three answers to it, by how far it came; this is the one that says so.
    _, ours = pair.get("query", query="load", timeout="0")

    assert ours.status_code == 503
    assert ours.json()["errorType"] == "timeout"


def test_cardinality_is_counted_alike(pair: Pair) -> None:
    theirs, ours = pair.both("status/tsdb", limit=10)

    stats = ("numSeries", "numLabelPairs")
    assert [ours["data"]["headStats"][s] for s in stats] == [
        theirs["data"]["headStats"][s] for s in stats
    ]
    for kind in (
        "seriesCountByMetricName",
        "labelValueCountByLabelName",
        "memoryInBytesByLabelName",
        "seriesCountByLabelValuePair",
    ):
        assert sorted(map(str, ours["data"][kind])) == sorted(map(str, theirs["data"][kind])), kind


def test_federation_is_equal(pair: Pair) -> None:
    now_ms = int(time.time() * 1000)
    values = [1e-7, 123456789.0, math.inf, -0.5, 0.0, 1e6, 12345.678]
    series: list[Series] = [
        ({"__name__": f"fed{i % 2}", "i": str(i), "q": 'a"b\\\n'}, [(now_ms - 1000 * i, value)])
        for i, value in enumerate(values)
    ]
    series.append(({"__name__": "fed0", "instance": "x"}, [(now_ms - 2, 5.0)]))
    series.append(({"__name__": "fed0", "old": "x"}, [(now_ms - 400_000, 5.0)]))
    body = packed(message_of(series))
    for url in pair.urls:
        assert (
            patiently.post(f"{url}/write", content=body, headers=WRITE_HEADERS).status_code == 204
        )
    theirs, ours = (
        patiently.get(
            url.replace("/api/v1", "/federate"), params={"match[]": ["fed0", '{i="0"}', "fed1"]}
        )
        for url in pair.urls
    )

    assert ours.headers["content-type"] == theirs.headers["content-type"]
    assert sorted(ours.text.splitlines()) == sorted(theirs.text.splitlines())
    assert len(ours.text.splitlines()) == len(values) + 3
    refused = [
        patiently.get(url.replace("/api/v1", "/federate"), params={"match[]": "fed0["})
        for url in pair.urls
    ]
    assert {answer.status_code for answer in refused} == {400}
