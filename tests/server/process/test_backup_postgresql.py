"""The how-to for a server over PostgreSQL: dump, back up, lose everything, restore, go on."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.messages.remote_write_messages import message_of, packed
from tests.support.servers import patiently
from tests.support.servers.forked import novaql
from tests.support.servers.http_server import WRITE_HEADERS, server_process
from tests.support.servers.state_databases import postgresql, postgresql_url

pytestmark = pytest.mark.slow

NOW_S = 1_700_000_000


def tool(name: str) -> str:
    """A program of PostgreSQL's own, of the newest version there is."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if not found:
        pytest.skip(f"there is no {name}; install Debian's package `postgresql`")
    return str(found[-1])


def admin(settings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return novaql("admin", *arguments, settings=settings)


def test_what_is_dumped_and_backed_up_comes_back_whole(tmp_path: Path) -> None:
    url = postgresql_url()
    settings = {"database_url": url, "sync": "always"}
    data, copy, dump = tmp_path / "data", tmp_path / "copy", tmp_path / "nova.dump"
    hook = {"url": "https://192.0.43.8/x", "events": ["incident.*"]}
    with server_process(data, settings=settings) as server:
        token = server.token or admin(settings, "bootstrap", "--data", str(data)).stdout.strip()
        other = admin(settings, "tenant", "acme", "--data", str(data)).stdout.strip()
        made: dict[str, Any] = {}
        for number, bearer in enumerate((token, other)):
            client = httpx.Client(
                base_url=server.url, headers={"Authorization": f"Bearer {bearer}"}, timeout=30
            )
            with client:
                series = [({"__name__": "up", "n": str(number)}, [(NOW_S * 1000, 1.0)])]
                sent = client.post(
                    "/api/v1/write", content=packed(message_of(series)), headers=WRITE_HEADERS
                )
                assert sent.status_code == 204
                service = {"name": f"s{number}", "owner": "a", "tier": "t"}
                assert client.post("/v1/services", json=service).status_code == 201
                made[bearer] = client.post("/v1/webhooks", json=hook).json()
        # As the page says: the dump first, then the samples; the server is running.
        subprocess.run([tool("pg_dump"), "--format=custom", f"--file={dump}", url], check=True)
        told = admin(settings, "backup", str(copy), "--data", str(data))
        assert "tenants with samples: 2" in told.stdout
        assert "PostgreSQL" in told.stderr
        late = {"name": "after", "owner": "a", "tier": "t"}
        headers = {"Authorization": f"Bearer {token}"}
        patiently.post(f"{server.url}/v1/services", json=late, headers=headers)
        server.kill()

    name = "restored_novaql"
    folder = postgresql()
    with psycopg.connect(f"host={folder} user=novaql dbname=postgres", autocommit=True) as admin_:
        admin_.execute(f'CREATE DATABASE "{name}"')
    fresh = f"postgresql://novaql@/{name}?host={folder}"
    subprocess.run(
        [tool("pg_restore"), "--exit-on-error", f"--dbname={fresh}", str(dump)], check=True
    )
    back = tmp_path / "restored"
    settings["database_url"] = fresh
    assert "tenants with samples: 2" in admin(settings, "restore", str(copy), str(back)).stdout
    with server_process(back, settings=settings, had_tokens=True) as server:
        for number, bearer in enumerate((token, other)):
            headers = {"Authorization": f"Bearer {bearer}"}
            client = httpx.Client(base_url=server.url, headers=headers, timeout=30)
            with client:
                found = client.post("/v1/novaql", json={"query": "up", "time": NOW_S}).json()
                assert [row["metric"]["n"] for row in found["result"]] == [str(number)]
                names = [row["name"] for row in client.get("/v1/services").json()["data"]]
                assert names == [f"s{number}"]
                # The key came back, too: secrets that it seals can be used.
                path = f"/v1/webhooks/{made[bearer]['id']}"
                assert client.post(f"{path}/rotate-secret").status_code == 200
                assert client.post("/v1/services", json={**late}).status_code == 201
