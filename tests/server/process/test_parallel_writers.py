"""Four writers at one time on SQLite: everyone is served, and nobody hears of a lock."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.repository.files import ROOT
from tests.support.servers import patiently
from tests.support.servers.http_server import fresh_state, server_process

pytestmark = pytest.mark.slow

WRITERS = 4
UNLIMITED = {"rate_per_minute": "0", "rate_per_day": "0"}
PROGRAM = """
import sys
from novaql.server.db.engine import StateDatabase

database = StateDatabase(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    with database.write(None) as session:
        connection = session.connection()
        was = connection.exec_driver_sql("SELECT n FROM counts").scalar()
        connection.exec_driver_sql("UPDATE counts SET n = ?", (was + 1,))
        row = (f"{sys.argv[2]}-{number}",)
        connection.exec_driver_sql("INSERT INTO written VALUES (?)", row)
database.close()
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_writes_over_http(workers: str, tmp_path: Path) -> None:
    """Of one process, whose writers queue in turn, and of two, which meet in the file."""
    with server_process(tmp_path / "data", "--workers", workers, settings=UNLIMITED) as server:
        headers = {"Authorization": f"Bearer {server.token}"}

        def write(writer: int) -> list[str]:
            names = []
            for number in range(25):
                name = f"service-{writer}-{number}"
                body = {"name": name, "owner": "a", "tier": "1"}
                url = f"{server.url}/v1/services"  # a connection each, so any worker may get it
                answer = patiently.post(url, json=body, headers=headers, timeout=60)
                assert answer.status_code == 201, answer.text
                names.append(name)
            return names

        with ThreadPoolExecutor(WRITERS) as pool:
            wanted = [name for names in pool.map(write, range(WRITERS)) for name in names]
        listed = httpx.get(f"{server.url}/v1/services?limit=200", headers=headers, timeout=60)
        assert sorted(row["name"] for row in listed.json()["data"]) == sorted(wanted)
        log = (tmp_path / "data.log").read_text()
        assert "locked" not in log
        assert "the state database failed" not in log


def test_processes_that_read_before_they_write(tmp_path: Path) -> None:
    """A unit has the lock from its beginning: what it read is still so when it writes."""
    count = 100
    database = fresh_state(tmp_path)
    with database.write(None) as session:
        for statement in (
            "CREATE TABLE counts (n INTEGER)",
            "INSERT INTO counts VALUES (0)",
            "CREATE TABLE written (name TEXT)",
        ):
            session.connection().exec_driver_sql(statement)
    url = database.url.render_as_string()
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, url, str(number), str(count)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(WRITERS)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        for writer in writers:
            _, said = writer.communicate(timeout=120)
            assert (writer.returncode, said) == (0, "")
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    with database.read(None) as session:
        connection = session.connection()
        counted = connection.exec_driver_sql("SELECT n FROM counts").scalar()
        rows = connection.exec_driver_sql("SELECT name FROM written").scalars().all()
    database.close()
    assert counted == WRITERS * count
    assert sorted(rows) == sorted(f"{w}-{n}" for w in range(WRITERS) for n in range(count))
