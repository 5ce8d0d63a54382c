"""Limits of a tenant: its own time, samples and requests; others keep the server's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx
import pytest

from novaql.errors import ArgumentError
from novaql.server.auth.bootstrap import add_tenant, set_limits
from novaql.server.auth.roles import Role
from tests.support.contract.route_walk import Walk
from tests.support.servers.forked import novaql
from tests.support.servers.http_server import (
    LocalServer,
    local_server,
    server_process,
    token_of,
)

QUERY = {"query": "up", "start": 0, "end": 600, "step": 15}


def tenant(server: LocalServer, name: str, **limits: float) -> Walk:
    """A tenant with 41 samples, and its limits."""
    database = server.context.database
    made = add_tenant(database, server.context.clock, name)
    set_limits(database, made.id, limits, server.context.settings)
    walk = Walk(server, token_of(database, made.id, Role.ADMIN, f"{name}@example.com"))
    lines = "".join(f"up {n} {15_000 * n}\n" for n in range(41))
    answer = server.client.post(
        "/v1/ingest",
        content=lines,
        headers={"Authorization": f"Bearer {walk.token}", "Content-Type": "text/plain"},
    )
    assert answer.status_code == 200, answer.text
    return walk


def test_a_tenants_queries_obey_its_limits() -> None:
    with local_server() as server:
        free = tenant(server, "free")
        small = tenant(server, "small", max_query_samples=20)
        coarse = tenant(server, "coarse", max_query_points=10)
        hasty = tenant(server, "hasty", query_timeout_s=1e-6)
        answers = {
            name: walk.request("POST", "/v1/novaql", QUERY)
            for name, walk in (("free", free), ("small", small), ("coarse", coarse))
        }
        late = hasty.request("POST", "/v1/novaql", QUERY)
        made = small.request(
            "POST",
            "/v1/dashboards",
            {
                "title": "D",
                "panels": [
                    {
                        "title": "P",
                        "type": "timeseries",
                        "queries": [{"expr": "up"}],
                        "grid": {"x": 0, "y": 0, "w": 12, "h": 8},
                    }
                ],
            },
        ).json()
        panel = made["panels"][0]["id"]
        shown = small.request("GET", f"/v1/panels/{panel}/data?start=0&end=600&step=15")
        rule = {"name": "Up", "expr": "count_over_time(up[10m]) > 0"}
        span = {"start": "1970-01-01T00:10:00Z", "end": "1970-01-01T00:10:00Z"}
        tried = small.request("POST", "/v1/alert-rules/test", {"rule": rule, **span})
        flags = small.request("GET", "/prometheus/api/v1/status/flags").json()["data"]

    assert answers["free"].status_code == 200
    for refused in (answers["small"], answers["coarse"], late, shown, tried):
        assert refused.status_code == 422, refused.text
        assert refused.json()["error"]["code"] == "query_limit"
    assert flags["query.max-samples"] == "20"


def test_requests_are_counted_by_the_tenants_own_quota() -> None:
    with local_server(rate_per_minute=3, rate_per_day=1000) as server:
        usual, busy = tenant(server, "usual"), tenant(server, "busy", rate_per_minute=8)
        codes = {
            name: [walk.request("GET", "/v1/services").status_code for _ in range(9)]
            for name, walk in (("usual", usual), ("busy", busy))
        }
        policy = busy.request("GET", "/v1/services").headers["ratelimit-policy"]

    assert codes["usual"].count(200) == 3
    assert codes["busy"].count(200) == 8
    assert policy == '"minute";q=8;w=60, "day";q=1000;w=86400'


def test_a_change_counts_for_the_next_request() -> None:
    with local_server() as server:
        walk = tenant(server, "acme")
        assert walk.request("POST", "/v1/novaql", QUERY).status_code == 200
        database, accounts = server.context.database, server.context.access.accounts
        assert accounts is not None
        principal = accounts.find(walk.token)
        assert principal is not None
        tenant_id = principal.tenant_id
        set_limits(database, tenant_id, {"max_query_samples": 5}, server.context.settings)
        assert walk.request("POST", "/v1/novaql", QUERY).status_code == 422
        set_limits(database, tenant_id, {"max_query_samples": None}, server.context.settings)
        assert walk.request("POST", "/v1/novaql", QUERY).status_code == 200
        with pytest.raises(ArgumentError, match="query_timeout_s"):
            set_limits(database, tenant_id, {"query_timeout_s": 0}, server.context.settings)


@pytest.mark.slow
def test_by_the_command_line_while_the_server_runs(tmp_path: Path) -> None:
    def admin(*arguments: str) -> subprocess.CompletedProcess[str]:
        return novaql("admin", *arguments, "--data", str(tmp_path / "data"), check=False)

    with server_process(tmp_path / "data") as server:
        assert admin("limits").stdout == ""
        told = admin("limits", "--set", "rate_per_minute=1000", "--set", "query_timeout_s=2.5")
        bearer = {"Authorization": f"Bearer {server.token}"}
        answer = httpx.get(f"{server.url}/v1/services", headers=bearer)

    assert told.stdout == "query_timeout_s\t2.5\nrate_per_minute\t1000\n"
    assert answer.headers["ratelimit-policy"].startswith('"minute";q=1000;')
    assert admin("limits", "--set", "rate_per_minute=").stdout == "query_timeout_s\t2.5\n"
    for wrong in ("port=1", "rate_per_minute=x", "rate_per_minute"):
        assert admin("limits", "--set", wrong).returncode == 2
    assert admin("limits", "--set", "rate_per_minute=-1").returncode != 0
    assert admin("limits", "--tenant", "nobody").returncode == 1
