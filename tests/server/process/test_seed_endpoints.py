"""Every endpoint of the first description in these domains, over HTTP, against a real process.

Services, objectives, audit, users, tokens, SCIM and ingestion, as a second tenant whose neighbour
has the same names: so that what is answered is the tenant's own.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.support.contract.seed import promised
from tests.support.messages.remote_write_messages import message_of, packed
from tests.support.servers import patiently
from tests.support.servers.http_server import WRITE_HEADERS
from tests.support.servers.state_databases import KINDS
from tests.support.servers.tenant_client import TenantClient, second_tenant

pytestmark = pytest.mark.slow

OURS = ("/services", "/slo", "/audit", "/users", "/tokens", "/scim")
NOW = int(time.time()) // 60 * 60
USER = "urn:ietf:params:scim:schemas:core:2.0:User"


@pytest.fixture(scope="module", params=KINDS)
def acme(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TenantClient]:
    data = tmp_path_factory.mktemp("seed") / "data"
    with second_tenant(request.param, data) as (here, first):
        first.json("POST", "/v1/services", {"name": "api", "owner": "x", "tier": "t"}, 201)
        send(first, "neighbour", bad=500)
        yield here


def send(client: TenantClient, job: str, bad: int) -> None:
    """An hour in which `bad` of 60 000 requests failed."""
    steps = range(61)
    series = [
        ({"__name__": "requests_total", "job": job, "code": code}, values)
        for code, values in (
            ("200", [((NOW - 3600 + 60 * i) * 1000, (60_000 - bad) / 60 * i) for i in steps]),
            ("500", [((NOW - 3600 + 60 * i) * 1000, bad / 60 * i) for i in steps]),
        )
    ]
    headers = dict(WRITE_HEADERS)
    body = packed(message_of(series))
    client.ask("POST", "/prometheus/api/v1/write", None, 204, content=body, headers=headers)


def test_samples_come_in_by_every_door(acme: TenantClient) -> None:
    send(acme, "api", bad=54)
    ms, text = NOW * 1000, {"Content-Type": "text/plain"}
    acme.ask("POST", "/v1/ingest", content=f"doors 1 {ms}\n".encode(), headers=text)
    lines = b'{"metric":{"__name__":"doors"},"values":[2],"timestamps":[%d]}' % (ms + 1000)
    acme.ask("POST", "/prometheus/api/v1/import", None, 204, content=lines)
    influx = f"doors value=3 {ms + 2000}000000\n".encode()
    acme.ask("POST", "/write", None, 204, content=influx)
    attribute = {"asInt": "4", "timeUnixNano": f"{ms + 3000}000000"}
    metric = {"name": "doors_otlp", "gauge": {"dataPoints": [attribute]}}
    otlp = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}
    acme.ask("POST", "/prometheus/api/v1/otlp/v1/metrics", otlp)
    found = acme.json("POST", "/v1/novaql", {"query": '{__name__=~"doors.*"}', "time": NOW + 5})

    assert {row["metric"]["__name__"] for row in found["result"]} >= {"doors", "doors_otlp"}
    jobs = acme.json("GET", "/prometheus/api/v1/label/job/values")["data"]
    assert jobs == ["api"]


def test_services(acme: TenantClient) -> None:
    expressions = {
        "errors": 'sum(rate(requests_total{code="500"}[1h])) / sum(rate(requests_total[1h]))',
        "traffic": "sum(rate(requests_total[1h]))",
    }
    body = {
        "name": "api",
        "owner": "payments",
        "tier": "tier1",
        "depends_on": ["database"],
        "signals": expressions,
    }
    made = acme.json("POST", "/v1/services", body, 201)
    listed = acme.json("GET", "/v1/services")["data"]
    shown = acme.json("GET", "/v1/services/api")
    graph = acme.json("GET", "/v1/services/api/dependencies?direction=both&depth=2")

    assert made["id"].startswith("svc_")
    assert [row["owner"] for row in listed] == ["payments"]
    assert shown["id"] == made["id"]
    assert {node["name"] for node in graph["nodes"]} == {"api", "database"}
    acme.json("POST", "/v1/services", body, 409)


def test_health_is_computed_from_the_tenants_samples(acme: TenantClient) -> None:
    health = acme.json("GET", "/v1/services/api/health")

    assert health["status"] in {"healthy", "degraded", "unhealthy"}
    assert health["signals"]["errors"]["value"] == pytest.approx(54 / 60_000, rel=1e-6)
    # Of the last five minutes: the longer ago the last sample came, the less of them it reaches.
    assert 0.3 * 60_000 / 3600 < health["signals"]["traffic"]["value"] < 1.2 * 60_000 / 3600
    assert health["signals"]["latency"]["value"] is None


def test_objectives(acme: TenantClient) -> None:
    indicator = {"type": "ratio", "bad": 'requests_total{code="500"}', "total": "requests_total"}
    body = {"objective": "0.999", "window": "1h", "indicator": indicator}
    made = acme.json("POST", "/v1/slo/api", body, 201)
    change = {**body, "objective": "0.9999", "version": made["version"]}
    changed = acme.json("POST", "/v1/slo/api", change)
    acme.json("POST", "/v1/slo/api", {**change, "objective": "0.99"}, 409)
    (one,) = acme.json("GET", "/v1/slo/api")["slos"]
    everything = acme.json("GET", "/v1/slo")["data"]

    assert changed["version"] == made["version"] + 1
    assert one["objective"] == "0.9999" or one["objective"] == 0.9999
    assert one["attainment"] == pytest.approx(0.9991)
    assert one["error_budget"]["consumed"] == pytest.approx(9)
    assert one["error_budget"]["remaining_clamped"] == 0
    assert [row["service"] for row in everything] == ["api"]


def test_users_and_tokens(acme: TenantClient) -> None:
    invited = acme.json("POST", "/v1/users", {"email": "eve@acme.example", "role": "operator"}, 201)
    accepting = {"token": invited["invitation_token"]}
    joined = patiently.post(f"{acme.server.url}/v1/invitations/accept", json=accepting).json()
    eve = TenantClient(acme.server, joined["token"])
    eve.json("GET", "/v1/services")
    eve.json("GET", "/v1/users", expect=403)
    users = acme.json("GET", "/v1/users")["data"]
    tokens = acme.json("GET", "/v1/tokens")["data"]
    hers = next(row for row in tokens if row["owner"]["id"] == invited["id"])
    rotated = acme.json("POST", f"/v1/tokens/{hers['id']}/rotate")
    fresh = TenantClient(acme.server, rotated["token"])
    fresh.json("GET", "/v1/services")
    eve.json("GET", "/v1/services")  # for an hour
    acme.ask("DELETE", f"/v1/users/{invited['id']}", expect=204)
    fresh.json("GET", "/v1/services", expect=401)
    eve.json("GET", "/v1/services", expect=401)
    acme.ask("DELETE", f"/v1/users/{invited['id']}", expect=404)

    assert {row["email"] for row in users} == {"ada@acme.example", "eve@acme.example"}
    assert rotated["previous_valid_until"]
    assert joined["token"] not in str(tokens)


def test_scim(acme: TenantClient) -> None:
    scim = {"Content-Type": "application/scim+json"}
    for base in ("/scim/v2", "/v1/scim/v2"):
        offer = acme.json("GET", f"{base}/ServiceProviderConfig")
        assert offer["patch"]["supported"]
        name = f"bob{len(base)}@acme.example"
        body = {"schemas": [USER], "userName": name, "active": True}
        made = acme.ask("POST", f"{base}/Users", body, 201, headers=scim).json()
        deactivate = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "Replace", "path": "active", "value": "False"}],
        }
        answer = httpx.patch(
            f"{acme.server.url}{base}/Users/{made['id']}",
            json=deactivate,
            headers=scim | {"Authorization": f"Bearer {acme.token}"},
        )
        assert answer.status_code in (200, 204)
        assert acme.json("GET", f"{base}/Users/{made['id']}")["active"] is False


def test_audit(acme: TenantClient) -> None:
    made = acme.json("POST", "/v1/services", {"name": "=1+1", "owner": "a", "tier": "1"}, 400)
    assert made["error"]["code"] == "validation_error"
    entries = acme.json("GET", "/v1/audit?action=service.create")["data"]
    one = acme.json("GET", f"/v1/audit/{entries[0]['id']}")
    body = {"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z", "format": "csv"}
    acme.json("POST", "/v1/audit/export", body, 400)  # longer than an export may be
    body["from"], body["to"] = (
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + days * 86_400))
        for days in (-1, 1)
    )
    export = acme.json("POST", "/v1/audit/export", body, 201)
    assert export["status"] == "ready"
    file = patiently.get(export["download_url"])
    rows = list(csv.DictReader(io.StringIO(file.text)))

    assert len(entries) == 1
    assert one["actor"]["name"] == "ada@acme.example"
    assert one["after"]["name"] == "api"
    assert file.headers["cache-control"] == "no-store"
    assert {"service.create", "slo.create", "user.invite"} & {row["action"] for row in rows}
    assert not any("neighbour" in str(row) for row in rows)
    assert patiently.get(export["download_url"][:-1] + "!").status_code == 403


def test_every_promised_endpoint_was_used(acme: TenantClient) -> None:
    assert promised(*OURS) - acme.used == set()
