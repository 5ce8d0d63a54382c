"""The push gateway, as clients of Prometheus's pushgateway use it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import httpx
import pytest
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    delete_from_gateway,
    push_to_gateway,
    pushadd_to_gateway,
)
from prometheus_client.exposition import basic_auth_handler
from sqlalchemy import func, select

from novaql.server.auth.bootstrap import add_tenant, set_limits
from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock
from novaql.server.db.tables import Job
from novaql.server.pushes.samples import decoded
from novaql.server.pushes.tables import PushGroup
from tests.server.pushes.conftest import NOW, OWN, found, names, send
from tests.support.messages.metric_families import GAUGE, HISTOGRAM, delimited, family
from tests.support.servers import patiently
from tests.support.servers.http_server import LocalServer, local_server, server_process, token_of
from tests.support.servers.state_databases import KINDS, state_database

Handler = Callable[[], None]


def basic(server: LocalServer) -> Callable[..., Handler]:
    token = server.tokens[Role.OPERATOR]

    def handler(url, method, timeout, headers, data):  # type: ignore[no-untyped-def]
        return basic_auth_handler(url, method, timeout, headers, data, "any", token)

    return handler


def test_a_label_may_hold_a_newline(server: LocalServer, clock: SteppedClock) -> None:
    path = "job/nightly/instance/a%0Ab%0A"
    assert send(server, "PUT", path, "rows 7\n").status_code == 200
    labels = "__name__=rows,instance=a\nb\n"
    assert found(server, "rows", clock.now()) == {labels: "7"}
    assert send(server, "DELETE", path).status_code == 202


def test_the_client_library_pushes_adds_and_deletes(
    server: LocalServer, clock: SteppedClock
) -> None:
    url = str(server.client.base_url).rstrip("/")
    registry = CollectorRegistry()
    done = Gauge("rows", "Rows copied.", ["table"], registry=registry)
    done.labels("a/b").set(7)
    Counter("tries", "Attempts.", registry=registry).inc(2)
    Histogram("took", "Time.", buckets=(1, 2), registry=registry).observe(1.5)
    key = {"instance": "a/1", "empty": ""}
    push_to_gateway(url, "nightly", registry, key, handler=basic(server))
    at = clock.now()

    assert found(server, "rows", at) == {"__name__=rows,instance=a/1,table=a/b": "7"}
    assert found(server, 'took_bucket{le="2.0"}', at) == {
        "__name__=took_bucket,instance=a/1,le=2.0": "1"
    }
    assert found(server, "push_time_seconds", at) == {
        "__name__=push_time_seconds,instance=a/1": str(round(NOW.timestamp()))
    }
    assert set(found(server, "push_failure_time_seconds", at).values()) == {"0"}
    metadata = server.prometheus("metadata", metric="rows").json()["data"]["rows"][0]
    assert (metadata["type"], metadata["help"]) == ("gauge", "Rows copied.")

    clock.step(timedelta(seconds=10))
    other = CollectorRegistry()
    Gauge("rows", "Rows copied.", registry=other).set(9)
    pushadd_to_gateway(url, "nightly", other, key, handler=basic(server))
    at = clock.now()
    assert found(server, "rows", at) == {"__name__=rows,instance=a/1": "9"}
    assert {"took_sum", "tries_total", *OWN} <= names(server, at)

    clock.step(timedelta(seconds=10))
    push_to_gateway(url, "nightly", other, key, handler=basic(server))
    assert names(server, clock.now()) == {"rows", *OWN}
    delete_from_gateway(url, "nightly", {"instance": "b"}, handler=basic(server))
    assert names(server, clock.now()) == {"rows", *OWN}
    clock.step(timedelta(seconds=10))
    delete_from_gateway(url, "nightly", key, handler=basic(server))
    assert names(server, clock.now()) == set()
    assert names(server, clock.now() - timedelta(seconds=5)) == {"rows", *OWN}


def test_a_library_without_a_token_is_refused(server: LocalServer) -> None:
    url = str(server.client.base_url).rstrip("/")
    with pytest.raises(HTTPError) as refused:
        push_to_gateway(url, "j", CollectorRegistry())
    assert refused.value.code == 401
    refused.value.close()
    weak = server.bearer(Role.READ_ONLY)
    for method in ("PUT", "POST", "DELETE"):
        assert server.client.request(method, "/metrics/job/j", headers=weak).status_code == 403


def test_put_replaces_a_group_and_post_metrics_of_a_name(
    server: LocalServer, clock: SteppedClock
) -> None:
    def push(method: str, body: str) -> dict[str, str]:
        clock.step(timedelta(seconds=1))
        answer = send(server, method, "job/j/zone/z", body)
        assert (answer.status_code, answer.content) == (200, b""), answer.text
        values = found(server, "{zone='z',__name__=~'[a-z]|h_.*'}", clock.now())
        return {
            name.removeprefix("__name__=").removesuffix(",zone=z"): v for name, v in values.items()
        }

    histogram = (
        '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n'
    )
    assert push("PUT", "a 1\nb{x='1'} 2\nb{x='2'} 3\n".replace("'", '"') + histogram) == {
        "a": "1",
        "b,x=1": "2",
        "b,x=2": "3",
        "h_bucket,le=1": "1",
        "h_bucket,le=+Inf": "2",
        "h_sum": "3",
        "h_count": "2",
    }
    after = push("POST", 'b{x="2"} 4\nc 5\n')
    assert {n: v for n, v in after.items() if n[0] != "h"} == {"a": "1", "b,x=2": "4", "c": "5"}
    shorter = '# TYPE h histogram\nh_bucket{le="+Inf"} 9\nh_count 9\n'
    assert push("POST", shorter) == {
        "a": "1",
        "b,x=2": "4",
        "c": "5",
        "h_bucket,le=+Inf": "9",
        "h_count": "9",
    }
    assert push("PUT", "a 6\n") == {"a": "6"}
    assert push("PUT", "") == {}
    assert names(server, clock.now()) >= OWN


def test_a_metric_that_is_pushed_with_its_type_and_without_it_is_in_its_group_once(
    server: LocalServer, clock: SteppedClock
) -> None:
    typed = '# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 3\nh_count 1\n'
    for body, count in ((typed, "1"), ("h_count 2\n", "2"), (typed, "1"), (typed, "1")):
        clock.step(timedelta(seconds=1))
        assert send(server, "POST", "job/j", body).status_code == 200
        assert found(server, "h_count", clock.now()) == {"__name__=h_count": count}
        with server.context.database.read(None) as session:
            (content,) = session.execute(select(PushGroup.content)).scalars()
        assert len(decoded([content]).values) == 3


@pytest.mark.slow
def test_samples_continue_at_intervals_until_the_group_is_deleted(
    server: LocalServer, clock: SteppedClock
) -> None:
    assert send(server, "PUT", "job/a", "m 1\n").status_code == 200
    assert send(server, "PUT", "job/b", "m 2\n").status_code == 200
    for _ in range(20):
        clock.step(timedelta(seconds=30))
        assert server.run_jobs() >= 1
    at = clock.now()
    counted = found(server, "sum by (job) (count_over_time(m[10m]))", at)
    assert set(counted.values()) == {"20"}
    assert set(found(server, "sum(m)", at).values()) == {"3"}
    send(server, "DELETE", "job/a")
    clock.step(timedelta(seconds=30))
    server.run_jobs()
    assert set(found(server, "sum(m)", clock.now()).values()) == {"2"}
    send(server, "DELETE", "job/b")
    clock.step(timedelta(seconds=30))
    server.run_jobs()
    assert names(server, clock.now()) == set()
    with server.context.database.read(None) as session:
        kinds = session.execute(select(Job.kind)).scalars().all()
    assert "pushes.sample" not in kinds
    send(server, "PUT", "job/a", "m 1\n")
    clock.step(timedelta(seconds=600))
    server.run_jobs()
    assert set(found(server, "m", clock.now()).values()) == {"1"}


@pytest.mark.parametrize(
    "body", ["m 1 1700000000000\n", "a 1\nm 1 0\n", 'm{x="1"} 1\nm{x="1"} 2\n']
)
def test_timestamps_and_repeated_series_are_refused_and_the_time_is_recorded(
    server: LocalServer, clock: SteppedClock, body: str
) -> None:
    assert send(server, "PUT", "job/j", "m 5\n").status_code == 200
    clock.step(timedelta(seconds=60))
    for method, job in (("PUT", "j"), ("POST", "j"), ("PUT", "new")):
        answer = send(server, method, f"job/{job}", body)
        assert answer.status_code == 400
        assert "pushed metrics are invalid or inconsistent" in answer.text
    at = clock.now() + timedelta(seconds=1)
    assert set(found(server, "m", at).values()) == {"5"}
    failed = found(server, "sum by (job) (push_failure_time_seconds)", at)
    assert set(failed.values()) == {str(round(clock.now().timestamp()))}
    pushed = server.prometheus("query", query="push_time_seconds", time=at.timestamp()).json()
    assert {one["metric"]["job"]: one["value"][1] for one in pushed["data"]["result"]} == {
        "j": str(round(NOW.timestamp())),
        "new": "0",
    }


def test_labels_of_the_group_replace_those_of_the_metrics(
    server: LocalServer, clock: SteppedClock
) -> None:
    body = 'm{job="other",instance="x",kept="k"} 1\npush_time_seconds 5\n'
    assert send(server, "PUT", "job/j/instance/i", body).status_code == 200
    at = clock.now()
    assert found(server, "m", at) == {"__name__=m,instance=i,kept=k": "1"}
    assert set(found(server, "push_time_seconds", at).values()) == {str(round(NOW.timestamp()))}
    clash = 'n{instance="1"} 1\nn{instance="2"} 2\n'
    assert send(server, "PUT", "job/j/instance/i", clash).status_code == 400


def test_a_malformed_body_changes_nothing(server: LocalServer, clock: SteppedClock) -> None:
    assert send(server, "PUT", "job/j", 'm{x="1} 1\n').status_code == 400
    assert (
        send(server, "PUT", "job/j", b"\x00\x01", **{"Content-Encoding": "gzip"}).status_code == 400
    )
    assert names(server, clock.now()) == set()


def test_protobuf_with_native_histograms(server: LocalServer, clock: SteppedClock) -> None:
    native = {
        "sample_count": 6,
        "sample_sum": 9.5,
        "schema": 0,
        "zero_threshold": 0.001,
        "positive_span": [{"offset": 0, "length": 2}],
        "positive_delta": [2, 2],
    }
    body = delimited(
        [
            family("latency", HISTOGRAM, {"labels": {"path": "/"}, "histogram": native}),
            family("rows", GAUGE, {"gauge": {"value": 3}}),
        ]
    )
    kind = "application/vnd.google.protobuf; encoding=delimited"
    assert send(server, "PUT", "job/j", body, **{"Content-Type": kind}).status_code == 200
    counts = "histogram_count(latency)"
    assert found(server, counts, clock.now()) == {"path=/": "6"}
    clock.step(timedelta(seconds=30))
    server.run_jobs()
    assert found(server, "count_over_time(latency[1m])", clock.now()) == {"path=/": "2"}
    assert send(server, "POST", "job/j", "rows 4\n").status_code == 200
    clock.step(timedelta(seconds=1))
    assert found(server, counts, clock.now()) == {"path=/": "6"}
    assert send(server, "PUT", "job/j", "rows 5\n").status_code == 200
    clock.step(timedelta(seconds=1))
    assert found(server, counts, clock.now()) == {}
    assert found(server, "rows", clock.now()) == {"__name__=rows": "5"}
    family_ = family("rows", GAUGE, {"gauge": {"value": 3}, "timestamp_ms": 7})
    timed = send(server, "PUT", "job/j", delimited([family_]), **{"Content-Type": kind})
    assert timed.status_code == 400


@pytest.mark.parametrize("kind", KINDS)
def test_groups_have_a_limit_that_holds_before_one_is_made(kind: str, tmp_path: Path) -> None:
    with (
        state_database(kind, tmp_path) as database,
        local_server(database=database) as server,
    ):
        clock, settings = server.context.clock, server.context.settings
        small = add_tenant(database, clock, "small")
        limits = {"max_push_groups": 2, "max_push_bytes": 300}
        set_limits(database, small.id, limits, settings)
        bearer = {"Authorization": f"Bearer {token_of(database, small.id, Role.OPERATOR, 'e@x.y')}"}

        def push(path: str, body: str = "m 1\n") -> httpx.Response:
            return patiently.put(
                f"{str(server.client.base_url).rstrip('/')}/metrics/job/{path}",
                content=body,
                headers=bearer,
            )

        with ThreadPoolExecutor(4) as pool:
            codes = [a.status_code for a in pool.map(push, [f"j{n}" for n in range(8)])]
        assert sorted(codes) == [200, 200, 409, 409, 409, 409, 409, 409]
        timed = push("j9", "m 1 5\n")
        assert (timed.status_code, timed.json()["error"]["code"]) == (409, "limit_reached")
        made = codes.index(200)
        large = push(f"j{made}", "".join(f"metric_{n} 1\n" for n in range(20)))
        assert (large.status_code, large.json()["error"]["code"]) == (409, "limit_reached")
        assert "max_push_bytes = 300" in large.text
        assert push(f"j{made}", "m 2\n").status_code == 200
        with database.read(None) as session:
            rows = session.execute(select(func.count()).select_from(PushGroup)).scalar_one()
        assert rows == 2
        assert send(server, "PUT", "job/free", "m 1\n").status_code == 200


def test_groups_of_tenants_are_independent(server: LocalServer, clock: SteppedClock) -> None:
    database = server.context.database
    other = add_tenant(database, clock, "other")
    secret = token_of(database, other.id, Role.OPERATOR, "eve@example.com")
    theirs = {"Authorization": f"Bearer {secret}"}
    client = server.client
    assert send(server, "PUT", "job/j", "ours 1\n").status_code == 200
    assert client.put("/metrics/job/j", content="theirs 1\n", headers=theirs).status_code == 200
    assert client.delete("/metrics/job/j", headers=theirs).status_code == 202
    clock.step(timedelta(seconds=30))
    server.run_jobs()
    assert names(server, clock.now()) == {"ours", *OWN}
    path = f"/api/v1/query?query=count({{job='j'}})&time={clock.now().timestamp()}"
    answer = client.get(path, headers=theirs)
    assert answer.json()["data"]["result"] == []


def test_they_have_the_quota_of_the_prometheus_base() -> None:
    with local_server(rate_per_minute=1, prometheus_per_minute=2) as server:
        codes = [send(server, "PUT", "job/j", "m 1\n").status_code for _ in range(3)]
        assert codes == [200, 200, 429]


@pytest.mark.slow
def test_groups_persist_across_a_restart(tmp_path: Path) -> None:
    data = tmp_path / "data"
    settings = {"push_interval_s": "1", "workers": "2"}
    with server_process(data, settings=settings) as ours:
        token = ours.token
        headers = {"Authorization": f"Bearer {token}"}
        answer = patiently.put(f"{ours.url}/metrics/job/j", content="m 1\n", headers=headers)
        assert answer.status_code == 200
        ours.kill()
    with server_process(data, settings=settings) as ours:
        began = patiently.get(
            f"{ours.url}/api/v1/query", params={"query": "time()"}, headers=headers
        ).json()["data"]["result"][0]
        query = {"query": f"timestamp(m) > {began} and m == 1"}
        series: list[Any] = []
        end = time.monotonic() + 120
        while not series and time.monotonic() < end:
            answer = patiently.get(f"{ours.url}/api/v1/query", params=query, headers=headers)
            series = answer.json()["data"]["result"]
            time.sleep(0.2)
        assert [one["metric"] for one in series] == [{"job": "j"}]
        deleted = patiently.delete(f"{ours.url}/metrics/job/j", headers=headers)
        assert deleted.status_code == 202
