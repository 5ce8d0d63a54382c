"""First starts and backups by the shell: samples are in one place, and come back."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from novaql import tsdb
from novaql.server.db.engine import StateDatabase
from novaql.server.db.rows import Tenant
from tests.support.messages.remote_write_messages import message_of, packed
from tests.support.servers.forked import novaql
from tests.support.servers.http_server import WRITE_HEADERS, ServerProcess, server_process
from tests.support.servers.state_databases import KINDS, postgresql_url
from tests.support.store.model import batch_of

pytestmark = pytest.mark.slow

NOW_S = 1_700_000_000


def admin(
    *arguments: str, settings: Mapping[str, str] | None = None, fails: bool = False
) -> subprocess.CompletedProcess[str]:
    done = novaql("admin", *arguments, settings=settings, check=False)
    assert (done.returncode != 0) == fails, done.stderr
    assert "Traceback" not in done.stderr
    return done


def write(server: ServerProcess, token: str, name: str, samples: int = 40) -> None:
    series = [({"__name__": name}, [(NOW_S * 1000 + i, float(i)) for i in range(samples)])]
    headers = WRITE_HEADERS | {"Authorization": f"Bearer {token}"}
    url = f"{server.url}/api/v1/write"
    sent = httpx.post(url, content=packed(message_of(series)), headers=headers, timeout=30)
    assert sent.status_code == 204, sent.text


def found(server: ServerProcess, token: str, name: str) -> float | None:
    body = {"query": f"count_over_time({name}[1m])", "time": NOW_S + 1}
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.post(f"{server.url}/v1/novaql", json=body, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    result = answer.json()["result"]
    return result[0]["value"][1] if result else None


@pytest.mark.parametrize("kind", KINDS)
def test_a_first_tenant_of_any_name_is_backed_up_and_restored(tmp_path: Path, kind: str) -> None:
    data, copy, back = tmp_path / "data", tmp_path / "copy", tmp_path / "back"
    settings = {"sync": "always"}
    if kind == "postgresql":
        settings["database_url"] = postgresql_url()
    first = admin("tenant", "acme", "--data", str(data), settings=settings).stdout.strip()
    second = admin("tenant", "beta", "--data", str(data), settings=settings).stdout.strip()
    with server_process(data, settings=settings, had_tokens=True) as server:
        write(server, first, "one")
        write(server, second, "two", samples=7)
        done = admin("backup", str(copy), "--data", str(data), settings=settings)
        assert "tenants with samples: 2, samples: 47" in done.stdout
    done = admin("restore", str(copy), str(back), settings=settings)
    assert "tenants with samples: 2, samples: 47" in done.stdout
    with server_process(back, settings=settings, had_tokens=True) as server:
        assert found(server, first, "one") == 40
        assert found(server, second, "two") == 7
        assert found(server, second, "one") is None


def test_a_first_tenant_that_an_earlier_version_made_is_backed_up(tmp_path: Path) -> None:
    """Its samples are in the data directory, though the database names another place."""
    data, copy = tmp_path / "data", tmp_path / "copy"
    token = admin("tenant", "acme", "--data", str(data)).stdout.strip()
    database = StateDatabase(f"sqlite:///{data}/server/state.db")
    with database.write(None) as session:
        session.query(Tenant).one().store = "tenants/ten_01"
    database.close()
    with server_process(data, settings={"sync": "always"}) as server:
        write(server, token, "one")
    assert "samples: 40" in admin("backup", str(copy), "--data", str(data)).stdout
    assert "samples: 40" in admin("restore", str(copy), str(tmp_path / "back")).stdout
    assert admin("tenants", "--data", str(data)).stdout.strip().endswith("\t.")


def test_backups_that_are_not_complete_are_refused(tmp_path: Path) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    admin("bootstrap", "--data", str(data))
    for name in ("beta", "gamma"):
        admin("tenant", name, "--data", str(data))
    places = [
        line.split("\t")[2]
        for line in admin("tenants", "--data", str(data)).stdout.split("\n")
        if line
    ]
    with tsdb.open(data / places[1]) as database:
        database.append(batch_of([({"__name__": "m"}, 1, 1.0), ({"__name__": "m"}, 2, 2.0)]))
    admin("backup", str(copy), "--data", str(data))
    (log,) = (copy / places[1] / "wal").iterdir()
    log.unlink()
    done = admin("restore", str(copy), str(tmp_path / "back"), fails=True)
    assert places[1] in done.stderr
    # A database that does not know of a tenant whose samples are there.
    stray = data / "tenants" / "ten_unknown"
    tsdb.open(stray).close()
    done = admin("backup", str(tmp_path / "other"), "--data", str(data), fails=True)
    assert "ten_unknown" in done.stderr


def test_a_damaged_database_replaces_no_backup(tmp_path: Path) -> None:
    """Without authentication, a server answers queries with an empty database in its place."""
    data, copy = tmp_path / "data", tmp_path / "copy"
    admin("bootstrap", "--data", str(data))
    for auth in ("true", "false"):
        settings = {"auth": auth}
        admin("backup", str(copy), "--data", str(data), settings=settings)
        state = data / "server" / "state.db"
        before, whole = (copy / "server" / "state.db").read_bytes(), state.read_bytes()
        state.write_bytes(b"\xff" * len(whole))
        done = admin("backup", str(copy), "--data", str(data), settings=settings, fails=True)
        assert "is damaged" in done.stderr
        assert (copy / "server" / "state.db").read_bytes() == before
        state.write_bytes(whole)


@pytest.mark.parametrize("guests", [(), ("lost+found",)])
def test_a_mounted_directory_is_a_good_first_place(tmp_path: Path, guests: tuple[str, ...]) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in guests:
        (data / name).mkdir()
    token = admin("bootstrap", "--data", str(data)).stdout.strip()
    with server_process(data) as server:
        write(server, token, "one")
        assert found(server, token, "one") == 40


def test_bootstrap_names_the_first_tenant(tmp_path: Path) -> None:
    data = tmp_path / "data"
    admin("bootstrap", "--tenant", "acme", "--data", str(data))
    rows = admin("tenants", "--data", str(data)).stdout.split("\t")
    assert (rows[1], rows[2].strip()) == ("acme", ".")
    done = admin("bootstrap", "--tenant", "other", "--data", str(data), fails=True)
    assert "there is no tenant named 'other'" in done.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_only_its_user_reads_what_a_server_writes(tmp_path: Path, workers: str) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    before = os.umask(0o022)
    try:
        with server_process(data, "--workers", workers) as server:
            token = str(server.token)
            other = admin("tenant", "beta", "--data", str(data)).stdout.strip()
            write(server, token, "one")
            write(server, other, "two")
            admin("backup", str(copy), "--data", str(data))
            paths = [*data.rglob("*"), data, *copy.rglob("*"), copy]
            modes = {str(path): stat.S_IMODE(path.stat().st_mode) for path in paths}
    finally:
        os.umask(before)
    assert len(modes) > 15
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}
