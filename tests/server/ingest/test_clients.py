"""Clients of other systems as they are: InfluxDB 1 and 2 and OpenTelemetry, with a token."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import httpx
import pytest
from influxdb import InfluxDBClient as InfluxDB1Client
from influxdb.exceptions import InfluxDBClientError
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

from novaql.server.auth.roles import Role
from tests.support.servers.http_server import LocalServer, local_server

T = 1_700_000_000
INFLUX = ("/write", "/api/v2/write", "/influx/write", "/influx/api/v2/write")


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with local_server() as made:
        yield made


def value(server: LocalServer, query: str, **parameters: float) -> str:
    found = server.prometheus("query", query=query, **parameters).json()["data"]["result"]
    assert len(found) == 1, (query, found)
    text: str = found[0]["value"][1]
    return text


def basic(user: str, password: str) -> dict[str, str]:
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def test_the_client_of_influxdb_2_writes_with_its_token(server: LocalServer) -> None:
    url, token = str(server.client.base_url), server.tokens[Role.OPERATOR]
    with InfluxDBClient(url=url, token=token, org="any", enable_gzip=True) as client:
        assert client.ping()
        assert client.version() == "1.8.10"
        with pytest.deprecated_call():  # by `ping`
            assert client.health().status == "pass"
        line = f"room,name=attic celsius=17.5 {T}"
        writer = client.write_api(write_options=SYNCHRONOUS)
        writer.write(bucket="b", record=line, write_precision="s")
    assert value(server, 'room_celsius{name="attic"}', time=T) == "17.5"


def test_the_client_of_influxdb_2_shows_why_it_was_refused(server: LocalServer) -> None:
    url, line = str(server.client.base_url), "room celsius=1"
    for token, status in ((server.tokens[Role.READ_ONLY], 403), ("nova_operator_none", 401)):
        with InfluxDBClient(url=url, token=token, org="any") as client:
            with pytest.raises(ApiException, match="token") as refused:
                client.write_api(write_options=SYNCHRONOUS).write(bucket="b", record=line)
            assert refused.value.status == status
            assert "token" in refused.value.message


def test_the_client_of_influxdb_1_creates_its_database_and_writes(server: LocalServer) -> None:
    url = server.client.base_url
    client = InfluxDB1Client(url.host, url.port, "telegraf", server.tokens[Role.OPERATOR], "lab")
    with client:
        assert client.ping() == "1.8.10"
        client.create_database('lab "2"')
        point = {"measurement": "pump", "tags": {"n": "1"}, "time": T, "fields": {"bar": 2.5}}
        assert client.write_points([point], time_precision="s")
        with pytest.raises(InfluxDBClientError, match="only CREATE DATABASE"):
            client.query("SELECT * FROM pump")
    assert value(server, 'pump_bar{n="1",db="lab"}', time=T) == "2.5"


@pytest.mark.parametrize("path", INFLUX)
def test_every_way_to_send_a_token(server: LocalServer, path: str) -> None:
    token = server.tokens[Role.OPERATOR]
    ways: list[tuple[dict[str, str], dict[str, str]]] = [
        ({"Authorization": f"Token {token}"}, {}),
        ({"Authorization": f"Token telegraf:{token}"}, {}),
        ({"Authorization": f"Bearer {token}"}, {}),
        (basic("any", token), {}),
        ({}, {"u": "a:b", "p": token}),
        ({}, {"p": token}),
    ]
    for number, (headers, query) in enumerate(ways):
        body = f"way,path={path} n={number} {T}"
        query = {"precision": "s", **query}
        answer = server.client.post(path, params=query, content=body, headers=headers)
        assert answer.status_code == 204, (headers, query, answer.text)
        assert value(server, f'way_n{{path="{path}"}}', time=T) == str(number)


def test_a_header_has_precedence_over_the_url_and_only_influxdb_has_u_and_p(
    server: LocalServer,
) -> None:
    token = server.tokens[Role.OPERATOR]
    weak = {"Authorization": f"Token {server.tokens[Role.READ_ONLY]}"}
    post = server.client.post
    assert post("/write", params={"p": token}, content="a b=1", headers=weak).status_code == 403
    assert post("/write", params={"u": token}, content="a b=1").status_code == 401
    for path in ("/v1/ingest", "/api/v1/import/prometheus", "/v1/metrics", "/metrics/job/x"):
        assert post(path, params={"p": token}, content="a 1\n").status_code == 401, path
        as_token = {"Authorization": f"Token {token}"}
        assert post(path, content="a 1\n", headers=as_token).status_code == 401, path
    assert post("/v1/ingest", content="a 1\n", headers=basic("", token)).status_code == 401


@pytest.mark.parametrize("path", ["/query", "/influx/query"])
def test_a_form_may_have_the_token(server: LocalServer, path: str) -> None:
    token, form = server.tokens[Role.OPERATOR], {"q": "CREATE DATABASE x", "u": "a:b"}
    post = server.client.post
    assert post(path, data={**form, "p": token}).status_code == 200
    assert post(path, data={**form, "p": "other"}).status_code == 401
    assert post(path, data={**form, "p": server.tokens[Role.READ_ONLY]}).status_code == 403
    assert post(path, data=form).status_code == 401
    assert post(path, data={"p": token}).status_code == 400
    weak = server.bearer(Role.READ_ONLY)
    assert post(path, data={**form, "p": token}, headers=weak).status_code == 403
    assert post(path, data={**form, "p": token, "x": "y" * 65_536}).status_code == 413
    assert post("/write", data={**form, "p": token}).status_code == 401


@pytest.mark.parametrize("prefix", ["", "/influx"])
def test_ping_needs_a_token_and_names_a_version(server: LocalServer, prefix: str) -> None:
    path, operator = f"{prefix}/ping", server.bearer(Role.OPERATOR)
    for method in ("GET", "HEAD"):
        answer = server.client.request(method, path, headers=operator)
        assert answer.status_code == 204
        assert answer.headers["x-influxdb-version"] == "1.8.10"
        assert answer.headers["x-influxdb-build"] == "OSS"
    verbose = server.client.get(path, params={"verbose": "true"}, headers=operator)
    assert (verbose.status_code, verbose.json()) == (200, {"version": "1.8.10"})
    assert server.client.get(path).status_code == 401
    assert server.client.get(path, headers=server.bearer(Role.READ_ONLY)).status_code == 403


@pytest.mark.parametrize("path", ["/health", "/influx/health"])
def test_health_needs_no_token(server: LocalServer, path: str) -> None:
    answer = server.client.get(path)
    assert answer.status_code == 200
    found = answer.json()
    assert (found["name"], found["status"], found["version"]) == ("influxdb", "pass", "1.8.10")
    assert isinstance(found["message"], str)


@pytest.mark.parametrize(
    ("statement", "status"),
    [
        ("CREATE DATABASE telegraf", 200),
        ('create  database "a \\" ; b";', 200),
        ("CREATE DATABASE x WITH DURATION 30d REPLICATION 1 NAME y", 200),
        ("CREATE DATABASE x; DROP DATABASE x", 400),
        ("CREATE DATABASE", 400),
        ("DROP DATABASE x", 400),
        ("", 400),
    ],
)
def test_statements(server: LocalServer, statement: str, status: int) -> None:
    operator = server.bearer(Role.OPERATOR)
    for answer in (
        server.client.get("/query", params={"q": statement}, headers=operator),
        server.client.post("/query", params={"q": statement}, headers=operator),
        server.client.post("/query", data={"q": statement}, headers=operator),
    ):
        assert answer.status_code == status, answer.text
        found = answer.json()
        if status == 200:
            assert found == {"results": [{"statement_id": 0}]}
        else:
            assert isinstance(found["error"], str)


@pytest.mark.parametrize(
    "body", ["q=CREATE+DATABASE+x+WITH" + "+" * 900_000 + ";x", "&" * 900_000, "q=" + "+" * 900_000]
)
def test_a_large_form_is_refused_at_once(server: LocalServer, body: str) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    headers = server.bearer(Role.OPERATOR) | kind
    assert server.client.post("/query", content=body, headers=headers).status_code == 400


@pytest.mark.parametrize("endpoint", ["", "/prometheus", "/prometheus/api/v1/otlp"])
def test_an_exporter_of_opentelemetry_at_its_default_path(
    server: LocalServer, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, name = server.tokens[Role.OPERATOR], f"jobs{endpoint.replace('/', '.')}"
    base = str(server.client.base_url).rstrip("/")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", base + endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"authorization=Bearer%20{token}")
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(), export_interval_millis=10**9)
    provider = MeterProvider([reader])
    provider.get_meter("tests").create_counter(name).add(3)
    assert provider.force_flush()
    provider.shutdown()
    shown = name.replace(".", "_")
    assert value(server, f"last_over_time({shown}_total[5m])") == "3"


def test_they_have_the_quota_of_the_prometheus_base_and_no_api_version() -> None:
    with local_server(rate_per_minute=1, prometheus_per_minute=3) as server:
        headers = server.bearer(Role.OPERATOR) | {"API-Version": "1999-01-01"}
        answers: list[httpx.Response] = []
        for path in ("/write", "/ping", "/v1/metrics", "/write"):
            method = "GET" if path == "/ping" else "POST"
            kind = {"Content-Type": "application/json" if path == "/v1/metrics" else "text/plain"}
            body = None if path == "/ping" else "{}" if path == "/v1/metrics" else f"q n=1 {T}"
            answers.append(
                server.client.request(method, path, content=body, headers=headers | kind)
            )
        assert [a.status_code for a in answers] == [204, 204, 200, 429]
        assert "retry-after" in answers[-1].headers
        for answer in answers:
            assert "api-version" not in answer.headers
