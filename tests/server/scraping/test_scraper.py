"""Loops, discovery and staleness: what happens over time."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from novaql import tsdb
from novaql.errors import ArgumentError
from novaql.server.auth.bootstrap import add_admin, add_tenant, ensure_first_tenant
from novaql.server.clock import SystemClock
from novaql.server.scraping.config import read_scrape_jobs, scrape_jobs_of
from novaql.server.scraping.model import discovered_labels, target_of
from novaql.server.scraping.scraper import ScrapeManager
from novaql.tsdb.model.samples import is_stale
from tests.support.peers.exposer import Exposer, exposing
from tests.support.servers.http_server import fresh_state, local_server


def samples_of(store: tsdb.Database, **labels: str) -> list[tuple[int, float, bool]]:
    """(time, value, whether it is a staleness marker) of the one series with these labels."""
    matchers = [tsdb.Matcher(n, tsdb.MatchOp.EQUAL, v) for n, v in labels.items()]
    found: list[tuple[int, float, bool]] = []
    for view in store.select(matchers, 0, 2**60).views():
        flat = view.ragged()
        found += zip(
            flat.timestamps.tolist(), flat.values.tolist(), is_stale(flat.values).tolist(),
            strict=True,
        )  # fmt: skip
    return found


def eventually(true: Callable[[], object], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@contextlib.contextmanager
def scraping(folder: Path, text: str) -> Iterator[tuple[tsdb.Database, ScrapeManager]]:
    config = folder / "scrape.yml"
    config.write_text("global: {scrape_interval: 100ms, scrape_timeout: 90ms}\n" + text)
    with tsdb.memory() as store:
        manager = ScrapeManager(config, scrape_jobs_of(config), store)
        manager.start()
        try:
            yield store, manager
        finally:
            manager.stop()


def job(address: str, more: str = "") -> str:
    return f"""\
scrape_configs:
  - job_name: one
    static_configs: [{{targets: ["{address}"]}}]
{more}"""


@pytest.mark.slow
def test_what_vanishes_is_marked_and_a_target_that_fails_is_down(tmp_path: Path) -> None:
    with exposing() as target:
        target.body = b"a 1\nb 2\n"
        with scraping(tmp_path, job(target.address)) as (store, manager):
            eventually(lambda: samples_of(store, __name__="b"))
            target.body = b"a 1\n"
            eventually(lambda: samples_of(store, __name__="b")[-1][2])
            target.status = 500
            eventually(lambda: samples_of(store, __name__="a")[-1][2])
            assert samples_of(store, __name__="up")[-1][1] == 0.0
            # The report follows what is stored.
            error = "server returned HTTP status 500 Internal Server Error"
            eventually(lambda: manager.scrape_report().targets[0].error == error)
            target.status = 200
            eventually(lambda: samples_of(store, __name__="up")[-1][1] == 1.0)
            times = [at for at, _, _ in samples_of(store, __name__="up")]
    assert {(at - times[0]) % 100 for at in times} <= {*range(40), *range(60, 100)}


@pytest.mark.slow
def test_files_are_watched_and_targets_that_leave_end(tmp_path: Path) -> None:
    listed = tmp_path / "targets.yml"
    text = "scrape_configs: [{job_name: listed, file_sd_configs: [{files: [targets.yml]}]}]\n"
    with exposing() as target, exposing() as other:
        listed.write_text(f"- targets: ['{target.address}']\n  labels: {{zone: a}}\n")
        with scraping(tmp_path, text) as (store, manager):
            eventually(lambda: samples_of(store, __name__="up_time", zone="a"))
            listed.write_text(f"- targets: ['{other.address}']\n  labels: {{zone: b}}\n")
            eventually(lambda: samples_of(store, __name__="up_time", zone="b"))
            eventually(lambda: samples_of(store, __name__="up_time", zone="a")[-1][2])
            assert samples_of(store, __name__="up", zone="a")[-1][2]
            listed.write_text("- nonsense: [\n")
            time.sleep(0.7)
            before = len(samples_of(store, __name__="up_time", zone="b"))
            eventually(lambda: len(samples_of(store, __name__="up_time", zone="b")) > before)
            labels = manager.scrape_report().targets[0].discovered
            assert labels["__meta_filepath"] == str(listed)


@pytest.mark.slow
def test_a_server_tells_of_targets(tmp_path: Path) -> None:
    with exposing() as target, exposing() as teller:
        teller.content_type = "application/json"
        teller.body = json.dumps([{"targets": [target.address], "labels": {"k": "v"}}]).encode()
        text = f"""\
scrape_configs:
  - job_name: told
    http_sd_configs: [{{url: "http://{teller.address}/", refresh_interval: 100ms}}]
"""
        with scraping(tmp_path, text) as (store, manager):
            eventually(lambda: samples_of(store, __name__="up_time", k="v"))
            teller.status = 503  # what was told last stays
            time.sleep(0.3)
            assert len(manager.scrape_report().targets) == 1
            teller.status, teller.body = 200, b"[]"
            eventually(lambda: not manager.scrape_report().targets)


def test_a_reload_leaves_what_has_not_changed_alone(tmp_path: Path) -> None:
    with exposing() as target:
        first = job(target.address)
        second = first + "  - job_name: two\n    static_configs: [{targets: ['127.0.0.1:1']}]\n"
        with scraping(tmp_path, first) as (store, manager):
            eventually(lambda: samples_of(store, __name__="up", job="one"))
            head = "global: {scrape_interval: 100ms, scrape_timeout: 90ms}\n"
            (tmp_path / "scrape.yml").write_text(head + second)
            manager.reload()
            eventually(lambda: samples_of(store, __name__="up", job="two"))
            assert {t.pool for t in manager.scrape_report().targets} == {"one", "two"}
            (tmp_path / "scrape.yml").write_text("scrape_configs: 7\n")
            with pytest.raises(ArgumentError, match="scrape-config"):
                manager.reload()
            assert {t.pool for t in manager.scrape_report().targets} == {"one", "two"}
            assert not any(stale for *_, stale in samples_of(store, __name__="up", job="one"))


def test_headers_credentials_and_parameters(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from-a-file\n")
    more = """\
    params: {module: [http_2xx]}
    basic_auth: {username: me, password: you}
  - job_name: two
    authorization: {credentials_file: secret}
    enable_compression: false
    scrape_protocols: [PrometheusText0.0.4]
    static_configs: [{targets: ["ADDRESS"]}]
    http_headers: {X-Scope: {values: [a]}}
"""
    with exposing() as target:
        more = more.replace("ADDRESS", target.address)

        def sent() -> dict[str | None, dict[str, str]]:
            headers = [{k.lower(): v for k, v in one.items()} for one in target.asked]
            return {one.get("authorization"): one for one in headers}

        with scraping(tmp_path, job(target.address, more)):
            eventually(lambda: len(sent()) == 2)
    basic, bearer = sent()["Basic bWU6eW91"], sent()["Bearer from-a-file"]
    assert basic["accept"].startswith("application/openmetrics-text;version=1.0.0")
    assert basic["accept-encoding"] == "gzip"
    assert basic["x-prometheus-scrape-timeout-seconds"] == "0.09"
    assert bearer["accept"].startswith("text/plain;version=0.0.4")
    assert bearer["accept-encoding"] == "identity"
    assert bearer["x-scope"] == "a"


def test_an_answer_without_a_type_needs_a_fallback(tmp_path: Path) -> None:
    more = "    fallback_scrape_protocol: PrometheusText0.0.4\n"
    with exposing() as target:
        target.content_type = "text/html"
        with scraping(tmp_path, job(target.address)) as (_, manager):
            problem = "fallback_scrape_protocol"
            eventually(lambda: problem in manager.scrape_report().targets[0].error)
            assert manager.scrape_report().targets[0].health == "down"
        with scraping(tmp_path, job(target.address, more)) as (store, _):
            eventually(lambda: samples_of(store, __name__="up_time"))


def test_a_body_above_its_limit_has_the_size_of_prometheus(tmp_path: Path) -> None:
    more = "    body_size_limit: 5B\n    extra_scrape_metrics: true\n"
    with exposing() as target, scraping(tmp_path, job(target.address, more)) as (store, manager):
        eventually(lambda: samples_of(store, __name__="scrape_body_size_bytes"))
        (_, size, _), *_ = samples_of(store, __name__="scrape_body_size_bytes")
        assert size == -1.0
        eventually(lambda: manager.scrape_report().targets[0].error == "body size limit exceeded")


@pytest.mark.slow
def test_a_slow_target_times_out_and_others_do_not_wait(tmp_path: Path) -> None:
    with exposing() as slow, exposing() as quick:
        slow.delay = 0.5
        text = job(
            slow.address,
            f'  - job_name: q\n    static_configs: [{{targets: ["{quick.address}"]}}]\n',
        )
        with scraping(tmp_path, text) as (store, manager):
            eventually(lambda: len(samples_of(store, __name__="up_time", job="q")) > 5)

            def errors() -> list[str]:
                return [t.error for t in manager.scrape_report().targets if t.pool == "one"]

            eventually(lambda: all(errors()))
            assert errors() == ["no complete answer within 0.09 s"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("scrape_configs: [{job_name: a, dns_sd_configs: [{names: [x]}]}]", "dns_sd_configs"),
        ("scrape_configs: [{job_name: a, oauth2: {client_id: x}}]", "oauth2"),
        ("scrape_configs: [{job_name: a, nonsense: 1}]", "nonsense"),
        (
            "scrape_configs: [{job_name: a, tls_config: {min_version: TLS13}}]",
            "tls_config: .* min_version",
        ),
        ("scrape_configs: [{job_name: a, basic_auth: {username_file: x}}]", "username_file"),
        ("scrape_configs: [{job_name: a, http_headers: {X: {files: [x]}}}]", "X: .* files"),
        ("scrape_configs: [{job_name: a, native_histogram_bucket_limit: 5}]", "bucket_limit"),
        ("scrape_configs: [{job_name: a}, {job_name: a}]", "there already"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(tmp_path: Path, text: str, sentence: str) -> None:
    config = tmp_path / "c.yml"
    config.write_text(text)
    with pytest.raises(ArgumentError, match=sentence):
        scrape_jobs_of(config)


def test_offsets_are_steady_and_spread(tmp_path: Path) -> None:
    config = tmp_path / "c.yml"
    addresses = ",".join(f"'h{i}:80'" for i in range(200))
    config.write_text(
        f"scrape_configs: [{{job_name: a, static_configs: [{{targets: [{addresses}]}}]}}]"
    )
    (one,) = read_scrape_jobs(config)
    (group,) = one.static_configs
    offsets = []
    for address in group.targets:
        target = target_of(one, discovered_labels(one, group, address))
        assert target is not None
        assert target.offset_s == target.offset_s
        offsets.append(target.offset_s)
    assert 25 < sum(offset < 10 for offset in offsets) < 45
    assert 0 <= min(offsets) < 2 < 58 < max(offsets) < 60


@pytest.mark.slow
def test_the_server_scrapes_and_tells_of_it(tmp_path: Path) -> None:
    with exposing() as target:
        config = tmp_path / "scrape.yml"
        config.write_text(
            "scrape_configs: [{job_name: s, scrape_interval: 100ms, scrape_timeout: 90ms, "
            "basic_auth: {username: u, password: hidden}, "
            f"static_configs: [{{targets: ['{target.address}', 'gone:1']}}], "
            "relabel_configs: [{source_labels: [__address__], regex: 'gone.*', action: drop}]}]"
        )
        with local_server(scrape_config=config) as server:

            def active() -> list[dict[str, object]]:
                found: list[dict[str, object]] = server.prometheus("targets").json()["data"][
                    "activeTargets"
                ]
                return found

            eventually(lambda: active()[0]["health"] == "up")
            listing = server.prometheus("targets").json()["data"]
            pools = server.prometheus("scrape_pools").json()["data"]
            config_text = server.prometheus("status/config").json()["data"]["yaml"]
            up = server.prometheus("query", query="up").json()["data"]["result"]
            steps = server.prometheus(
                "targets/relabel_steps", scrapePool="s", labels='{"__address__":"gone:1"}'
            ).json()["data"]["steps"]
    assert listing["droppedTargetCounts"] == {"s": 1}
    assert listing["droppedTargets"][0]["discoveredLabels"]["__address__"] == "gone:1"
    assert pools == {"scrapePools": ["s"]}
    assert "job_name: s" in config_text
    assert "hidden" not in config_text
    assert up[0]["metric"] == {"__name__": "up", "job": "s", "instance": target.address}
    assert steps[0]["keep"] is False


@pytest.mark.slow
def test_a_changed_file_is_taken_up_and_a_broken_one_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = tmp_path / "scrape.yml"
    with exposing() as target, tsdb.memory() as store:
        config.write_text(job(target.address))
        manager = ScrapeManager(config, scrape_jobs_of(config), store, check_every_s=0.05)
        manager.start()
        try:
            config.write_text(job(target.address).replace("one", "another"))

            def names() -> list[str]:
                return [pool.name for pool in manager.scrape_report().pools]

            eventually(lambda: names() == ["another"])
            config.write_text("scrape_configs: [{job_name: broken, nonsense: 1}]")
            eventually(lambda: "the former targets are still scraped" in caplog.text)
            assert names() == ["another"]
            config.unlink()
            time.sleep(0.2)
            assert names() == ["another"]
        finally:
            manager.stop()


@pytest.mark.slow
def test_each_tenant_has_its_own_targets(tmp_path: Path) -> None:
    """A folder of configurations; nobody sees what is scraped for somebody else."""
    folder = tmp_path / "scrape"
    folder.mkdir()
    text = (
        "scrape_configs: [{job_name: NAME, scrape_interval: 100ms, scrape_timeout: 90ms, "
        "static_configs: [{targets: ['ADDRESS']}]}]"
    )
    with exposing() as target:
        for name in ("default", "acme"):
            body = text.replace("ADDRESS", target.address).replace("NAME", f"of-{name}")
            (folder / f"{name}.yml").write_text(body)
        with (
            pytest.raises(ArgumentError, match="no tenant named 'acme'"),
            local_server(scrape_config=folder),
        ):
            pass
        database = fresh_state(tmp_path)
        ensure_first_tenant(database, SystemClock())
        acme = add_tenant(database, SystemClock(), "acme")
        token = add_admin(database, SystemClock(), acme.id).secret
        with local_server(database=database, scrape_config=folder) as server:
            theirs = {"Authorization": f"Bearer {token}"}

            def pools(headers: dict[str, str]) -> list[str]:
                answer = server.client.get("/api/v1/scrape_pools", headers=headers)
                found: list[str] = answer.json()["data"]["scrapePools"]
                return found

            def jobs(headers: dict[str, str]) -> set[str]:
                answer = server.client.get("/api/v1/query", params={"query": "up"}, headers=headers)
                return {one["metric"]["job"] for one in answer.json()["data"]["result"]}

            eventually(lambda: bool(jobs(theirs)) and bool(jobs(server.bearer())))
            assert pools(theirs) == ["of-acme"]
            assert pools(server.bearer()) == ["of-default"]
            assert jobs(theirs) == {"of-acme"}
            assert jobs(server.bearer()) == {"of-default"}
            shown = server.client.get("/api/v1/status/config", headers=theirs).text
            assert "of-default" not in shown
            targets = server.client.get("/api/v1/targets", headers=theirs).text
            assert "of-default" not in targets


def test_exposers_are_closed(tmp_path: Path) -> None:
    """A manager without jobs starts and stops."""
    with scraping(tmp_path, "") as (store, manager):
        assert manager.scrape_report().targets == ()
        assert store.series([], 0, 2**60).rows == 0
    assert Exposer.__doc__
