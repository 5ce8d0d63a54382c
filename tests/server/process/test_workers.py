"""`novaql serve --workers 3`: several processes that are one server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.messages.remote_write_messages import message_of, packed
from tests.support.repository.files import ROOT
from tests.support.servers import patiently
from tests.support.servers.http_server import (
    WRITE_HEADERS,
    ServerProcess,
    server_process,
    workers_of,
)

pytestmark = pytest.mark.slow

UNLIMITED = {"rate_per_minute": "0", "rate_per_day": "0", "sync": "os"}


def bearer(server: ServerProcess) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.token}"}


def ask(server: ServerProcess, method: str, path: str, **more: object) -> httpx.Response:
    """On a connection of its own, so that any worker may get it."""
    headers = {**bearer(server), **dict(more.pop("headers", {}))}  # type: ignore[call-overload]
    with httpx.Client(base_url=server.url, headers=headers, timeout=30) as client:
        return client.request(method, path, **more)  # type: ignore[arg-type]


def wait_for(what: object, seconds: float = 120) -> None:
    assert callable(what)
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def supervisor_of(server: ServerProcess) -> psutil.Process:
    (found,) = {process.parent() for process in workers_of(server)}
    assert found is not None
    assert found.pid != server.process.pid
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    data = tmp_path_factory.mktemp("workers") / "data"
    with server_process(data, "--workers", "3", settings=UNLIMITED) as started:
        wait_for(lambda: len(workers_of(started)) == 3)
        yield started


def test_samples_and_everything_else_are_one_server(server: ServerProcess) -> None:
    now = int(time.time())
    body = packed(message_of([({"__name__": "up", "job": "api"}, [(now * 1000, 7.0)])]))
    written = ask(
        server, "POST", "/prometheus/api/v1/write", content=body, headers=dict(WRITE_HEADERS)
    )
    assert written.status_code == 204
    for _ in range(6):
        answer = ask(server, "POST", "/v1/novaql", json={"query": "up", "time": now})
        assert answer.json()["result"][0]["value"] == [now, 7]
    assert ask(server, "GET", "/v1/nothing").json()["error"]["code"] == "not_found"
    assert ask(server, "PUT", "/v1/novaql").headers["allow"] == "POST"
    assert ask(server, "GET", "/").status_code == 200


def test_a_forwarded_request_is_answered_as_any_other(server: ServerProcess) -> None:
    wrong = ask(server, "POST", "/v1/novaql", json={"query": "sum("})
    none = patiently.post(f"{server.url}/v1/novaql", json={"query": "1"})
    pieces = (b"x" * 1000 for _ in range(1100))
    large = ask(
        server,
        "POST",
        "/v1/novaql",
        content=pieces,
        headers={"Content-Type": "application/json"},
    )

    assert (wrong.status_code, wrong.json()["error"]["line"]) == (422, 1)
    assert wrong.json()["error"]["request_id"] == wrong.headers["x-request-id"]
    assert len(wrong.headers.get_list("x-request-id")) == 1
    assert none.status_code == 401
    assert large.status_code == 413


def test_where_a_request_comes_from_is_not_the_clients_to_say(server: ServerProcess) -> None:
    made = ask(server, "POST", "/v1/services", json={"name": "ip", "owner": "a", "tier": "1"})
    entry = ask(server, "GET", "/v1/audit?action=service.create").json()["data"][0]

    assert made.status_code == 201
    assert entry["ip"] == "127.0.0.1"
    assert entry["request_id"] == made.headers["x-request-id"]


def test_a_key_makes_one_thing_whoever_gets_it(server: ServerProcess) -> None:
    def make(number: int) -> httpx.Response:
        return ask(
            server,
            "POST",
            "/v1/tokens",
            json={"name": f"once-{number // 8}", "role": "read_only"},
            headers={"Idempotency-Key": f"key-{number // 8}"},
        )

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(make, range(32)))

    assert {answer.status_code for answer in answers} <= {201, 409}
    for group in range(4):
        mine = [a for a in answers[group * 8 : group * 8 + 8] if a.status_code == 201]
        assert len({answer.json()["id"] for answer in mine}) == 1
        assert sum("idempotent-replayed" not in answer.headers for answer in mine) == 1
    names = [t["name"] for t in ask(server, "GET", "/v1/tokens?limit=200").json()["data"]]
    assert sorted(name for name in names if name.startswith("once-")) == [
        f"once-{group}" for group in range(4)
    ]


def test_a_revoked_token_is_refused_by_every_worker(server: ServerProcess) -> None:
    """Every worker has seen it before it is revoked, and none lets it in afterwards."""
    issued = ask(server, "POST", "/v1/tokens", json={"name": "short", "role": "read_only"}).json()
    own = {"Authorization": f"Bearer {issued['token']}"}

    def uses() -> set[int]:
        return {ask(server, "GET", "/v1/services", headers=own).status_code for _ in range(24)}

    assert uses() == {200}
    assert ask(server, "DELETE", f"/v1/tokens/{issued['id']}").status_code == 204
    assert uses() == {401}


def test_what_workers_answered_is_counted_once(server: ServerProcess) -> None:
    def counted() -> float:
        line = 'novaql_http_requests_total{code="200",method="GET",route="/v1/services"}'
        text = ask(server, "GET", "/metrics").text
        return sum(float(t.split()[-1]) for t in text.splitlines() if t.startswith(line))

    time.sleep(1.5)
    before = counted()
    for _ in range(9):
        assert ask(server, "GET", "/v1/services").status_code == 200
    wait_for(lambda: counted() == before + 9)


def test_a_query_ends_when_its_client_leaves(server: ServerProcess) -> None:
    def running() -> float:
        text = ask(server, "GET", "/metrics").text
        (line,) = [t for t in text.splitlines() if t.startswith("novaql_queries_running ")]
        return float(line.split()[1])

    parts = (f"quantile_over_time(0.{n}, vector(time() % {n})[100000s:1s])" for n in range(10, 40))
    # It takes several minutes.
    slow = {"query": " + ".join(parts), "start": 1e9, "end": 1e9 + 6e5, "step": 600}
    with pytest.raises(httpx.ReadTimeout), httpx.Client(timeout=1) as client:
        client.post(f"{server.url}/v1/novaql", json=slow, headers=bearer(server))
    wait_for(lambda: running() == 0, seconds=60)


def until_answered(
    server: ServerProcess, body: dict[str, str], key: dict[str, str]
) -> httpx.Response:
    while True:
        try:
            answer = ask(server, "POST", "/v1/services", json=body, headers=key)
        except httpx.TransportError:
            continue
        if answer.status_code != 409:
            return answer


def test_killed_workers_lose_and_double_nothing(server: ServerProcess) -> None:
    """Clients that come again with their key, as clients do, while workers are killed."""
    stop = threading.Event()
    made: list[str] = []

    def insist(writer: int) -> None:
        number = 0
        while not stop.is_set():
            name = f"kept-{writer}-{number}"
            body = {"name": name, "owner": "a", "tier": "1"}
            assert until_answered(server, body, {"Idempotency-Key": name}).status_code == 201
            made.append(name)
            number += 1

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(insist, number) for number in range(4)]
        try:
            for kills in range(3):
                wait_for(lambda: len(made) >= 8 * (kills + 1), 120)  # noqa: B023 - waited for here
                victims = workers_of(server)
                if victims:
                    victims[0].send_signal(signal.SIGKILL)
            wait_for(lambda: len(made) >= 32, 120)
        finally:
            stop.set()
        for writer in writers:
            writer.result()
    wanted = sorted(made)
    wait_for(lambda: len(workers_of(server)) == 3)
    found: list[str] = []
    cursor = ""
    while True:
        page = ask(server, "GET", f"/v1/services?limit=200{cursor}").json()
        found += [s["name"] for s in page["data"] if s["name"].startswith("kept-")]
        if "next_cursor" not in page:
            break
        cursor = f"&cursor={page['next_cursor']}"

    assert sorted(found) == wanted


def test_quotas_are_shared(tmp_path: Path) -> None:
    limits = {"rate_per_minute": "20"}
    with server_process(tmp_path / "data", "--workers", "2", settings=limits) as server:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: ask(server, "GET", "/v1/tokens"), range(40)))
        assert [a.status_code for a in answers].count(200) == 20
        refused = [a for a in answers if a.status_code == 429]
        assert len(refused) == 20
        assert all(int(a.headers["retry-after"]) >= 1 for a in refused)


def test_stopping_leaves_nobody_behind(tmp_path: Path) -> None:
    with server_process(tmp_path / "data", "--workers", "2") as server:
        wait_for(lambda: len(workers_of(server)) == 2)
        children = workers_of(server)
        assert server.stop() == 0
        assert not any(child.is_running() for child in children)


def test_a_signal_to_all_processes_ends_no_worker_before_its_server(server: ServerProcess) -> None:
    """From a service manager or a terminal: the supervisor must not end with its forks."""
    before = {process.pid for process in workers_of(server)}
    supervisor = supervisor_of(server)

    supervisor.terminate()
    supervisor.send_signal(signal.SIGINT)
    supervisor.send_signal(signal.SIGHUP)
    time.sleep(1)

    assert {process.pid for process in workers_of(server)} == before


def test_a_supervisor_that_was_killed_is_replaced(tmp_path: Path) -> None:
    with server_process(tmp_path / "data", "--workers", "2", settings=UNLIMITED) as server:
        wait_for(lambda: len(workers_of(server)) == 2)
        before = workers_of(server)
        killed = supervisor_of(server)

        killed.kill()
        wait_for(lambda: not any(worker.is_running() for worker in before))
        wait_for(lambda: len(workers_of(server)) == 2)

        assert supervisor_of(server).pid != killed.pid
        (worker, _) = workers_of(server)
        worker.kill()
        wait_for(lambda: len(workers_of(server)) == 2 and worker not in workers_of(server))
        assert patiently.get(f"{server.url}/healthz").status_code == 200
        children = workers_of(server)
        assert server.stop() == 0
        assert not any(child.is_running() for child in children)


@pytest.mark.parametrize("threads", [0, 1])
def test_a_script_that_serves_needs_no_guard(tmp_path: Path, threads: int) -> None:
    """With a thread of its own, its workers cannot come from a fork of it."""
    script = tmp_path / "script.py"
    script.write_text(
        "import threading\n"
        "from pathlib import Path\n"
        "from novaql.server.process.run import serve\n"
        "from novaql.server.settings import Settings\n"
        f"for _ in range({threads}):\n"
        "    threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        f"serve(Settings(data=Path({str(tmp_path / 'data')!r}), workers=2, port=0, auth=False))\n"
    )
    with subprocess.Popen(
        [sys.executable, script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        server = ServerProcess(process, url, None)
        wait_for(lambda: len(workers_of(server)) == 2)
        command = supervisor_of(server).cmdline()
        assert (str(script) in command) == (not threads)
        answer = patiently.post(f"{url}/v1/novaql", json={"query": "1 + 1", "time": 0})
        assert answer.json()["result"] == [0, 2]
        assert server.stop() == 0


def test_a_start_that_fails_leaves_no_process(tmp_path: Path) -> None:
    data, listen = tmp_path / "data", ["--listen", "127.0.0.1:0"]
    with server_process(data):
        second = subprocess.run(
            [sys.executable, "-m", "novaql", "serve", "--data", data, *listen, "--workers", "2"],
            cwd=ROOT,
            stdout=subprocess.PIPE,  # its end is read once no process has it any more
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
    assert second.returncode == 1
    assert "is being written by process" in second.stdout


def test_workers_end_with_a_killed_owner_and_the_next_start_has_everything(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with server_process(data, "--workers", "2") as server:
        wait_for(lambda: len(workers_of(server)) == 2)
        children = workers_of(server)
        body = {"name": "kept", "owner": "a", "tier": "1"}
        assert ask(server, "POST", "/v1/services", json=body).status_code == 201
        token = server.token
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        wait_for(lambda: not any(c.is_running() and c.status() != "zombie" for c in children))
    with server_process(data, "--workers", "2") as again:
        again.token = token
        names = [s["name"] for s in ask(again, "GET", "/v1/services").json()["data"]]
        assert names == ["kept"]


def test_a_worker_that_cannot_reach_the_owner_says_so(tmp_path: Path) -> None:
    with server_process(tmp_path / "data", "--workers", "2") as server:
        wait_for(lambda: len(workers_of(server)) == 2)
        server.process.send_signal(signal.SIGSTOP)
        try:
            assert ask(server, "GET", "/healthz").status_code == 200
            assert ask(server, "GET", "/v1/services").status_code == 200
        finally:
            server.process.send_signal(signal.SIGCONT)
        assert ask(server, "GET", "/readyz").status_code == 200
