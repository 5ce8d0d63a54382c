"""A damaged database or key: a message with the way back; samples are served meanwhile."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.support.messages.remote_write_messages import message_of, packed
from tests.support.servers.forked import novaql
from tests.support.servers.http_server import WRITE_HEADERS, server_process

pytestmark = pytest.mark.slow

NOW_S = 1_700_000_000


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A data directory that was in use, and its token."""
    data = tmp_path_factory.mktemp("sound") / "data"
    with server_process(data, settings={"sync": "always"}) as server:
        bearer = {"Authorization": f"Bearer {server.token}"}
        body = packed(message_of([({"__name__": "m"}, [(NOW_S * 1000, 7.0)])]))
        url = f"{server.url}/api/v1/write"
        assert httpx.post(url, content=body, headers=WRITE_HEADERS | bearer).status_code == 204
        hook = {"url": "https://192.0.43.8/x", "events": ["incident.*"]}
        url = f"{server.url}/v1/webhooks"
        assert httpx.post(url, json=hook, headers=bearer, timeout=30).status_code == 201
        novaql("admin", "backup", str(data.parent / "copy"), "--data", str(data))
        assert server.stop() == 0
        with closing(sqlite3.connect(data / "server" / "state.db")) as state:
            state.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # everything is in the one file
        return data, str(server.token)


def damage(data: Path, how: str) -> None:
    state = data / "server" / "state.db"
    for suffix in ("-wal", "-shm"):
        state.with_name(state.name + suffix).unlink(missing_ok=True)
    content = bytearray(state.read_bytes())
    match how:
        case "state missing":
            state.unlink()
        case "state empty":
            state.write_bytes(b"")
        case "state cut":
            state.write_bytes(content[: len(content) // 2])
        case "state head":
            content[0] ^= 0xFF
            state.write_bytes(content)
        case "state pages":
            for at in range(4096, len(content), 4096):
                content[at : at + 64] = os.urandom(64)
            state.write_bytes(content)
        case "state text":
            state.write_bytes(b"this is no database\n" * 1000)
        case "key missing":
            (data / "server" / "master.key").unlink()
        case "key cut":
            (data / "server" / "master.key").write_bytes(b"AAAA")


@pytest.mark.parametrize(
    "how",
    [
        *("state missing", "state empty", "state cut", "state head", "state pages", "state text"),
        *("key missing", "key cut"),
    ],
)
def test_the_start_names_the_way_back_and_samples_are_served(
    tmp_path: Path, sound: tuple[Path, str], how: str
) -> None:
    data, token = tmp_path / "data", sound[1]
    shutil.copytree(sound[0], data)
    damage(data, how)

    refused = novaql("serve", "--data", str(data), "--listen", "127.0.0.1:0", check=False)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    what = "state.db" if how.startswith("state") else "master.key"
    assert str(data / "server" / what) in refused.stderr
    assert f"BACKUP/server/{what}" in refused.stderr
    assert "novaql serve --no-auth" in refused.stderr

    with server_process(data, "--no-auth") as server, httpx.Client(base_url=server.url) as client:
        body = packed(message_of([({"__name__": "m"}, [(NOW_S * 1000 + 1, 8.0)])]))
        written = client.post("/api/v1/write", content=body, headers=WRITE_HEADERS)
        assert written.status_code == 204, written.text
        asked = {"query": "sum_over_time(m[1m])", "time": NOW_S + 1}
        answer = client.post("/v1/novaql", json=asked)
        assert answer.json()["result"][0]["value"][1] == 15
        service = {"name": "a", "owner": "a", "tier": "t"}
        refusal = client.post("/v1/services", json=service)
        assert refusal.status_code == 503, refusal.text
        assert "nothing can be changed now" in refusal.json()["error"]["message"]

    # The way back: the files of the backup, and everything is as it was.
    for name in ("state.db", "master.key"):
        shutil.copyfile(sound[0].parent / "copy" / "server" / name, data / "server" / name)
    for suffix in ("-wal", "-shm"):
        (data / "server" / f"state.db{suffix}").unlink(missing_ok=True)
    with server_process(data) as server:
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.post(f"{server.url}/v1/novaql", json=asked, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        assert answer.json()["result"][0]["value"][1] == 15
        hooks = httpx.get(f"{server.url}/v1/webhooks", headers=headers, timeout=30).json()
        assert len(hooks["data"]) == 1
