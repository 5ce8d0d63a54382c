"""Servers for tests: one in this process, and one in a separate process."""

from __future__ import annotations

import asyncio
import atexit
import functools
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any

import httpx
import psutil
import uvicorn
from starlette.applications import Starlette

from novaql import tsdb
from novaql.server.app import Job, create_app
from novaql.server.auth.bootstrap import add_admin
from novaql.server.auth.roles import Role
from novaql.server.clock import Clock, SystemClock
from novaql.server.db.engine import StateDatabase
from novaql.server.db.migrate import migrate
from novaql.server.jobs.relay import Relay
from novaql.server.jobs.runner import JobRunner
from novaql.server.process.graceful import GracefulServer, public_server
from novaql.server.process.guard import Limits
from novaql.server.process.run import address_of, listen
from novaql.server.process.worker import NAME as WORKER
from novaql.server.settings import Settings
from novaql.server.tenants.context import ServerContext
from novaql.server.tenants.store import Store
from novaql.server.tuning import Tuning
from tests.support.messages.remote_write_messages import Series, message_of, packed
from tests.support.repository.files import ROOT
from tests.support.servers.compiled_statements import share_compiled_statements
from tests.support.servers.forked import Forked, environment, start
from tests.support.servers.patiently import TLS
from tests.support.servers.quick_client import KEEPALIVE_S, QuickClient

share_compiled_statements()
_NO_COOKIES = DefaultCookiePolicy(allowed_domains=[])
"""A session that a test opens must not authenticate later requests without a token."""
ADA = "ada@example.com"
_LONGEST_START_S = 300
WRITE_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
WRITE_2_HEADERS = WRITE_HEADERS | {
    "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
    "X-Prometheus-Remote-Write-Version": "2.0.0",
}


@dataclass
class LocalServer:
    """The application in this process, a client, and a token of each role."""

    client: httpx.Client
    store: Store
    tokens: Mapping[Role, str]
    app: Starlette

    @property
    def context(self) -> ServerContext:
        """The parts of the server."""
        found = self.app.state.context
        assert isinstance(found, ServerContext)
        return found

    @property
    def runner(self) -> JobRunner:
        """The runner of its jobs."""
        found = self.app.state.control.begin().result().runner
        assert isinstance(found, JobRunner)
        return found

    @property
    def relay(self) -> Relay:
        """The relay of its events."""
        found = self.app.state.control.begin().result().relay
        assert isinstance(found, Relay)
        return found

    def document(self) -> dict[str, Any]:
        """The OpenAPI document."""
        found: dict[str, Any] = self.app.state.control.begin().result().document()
        return found

    def run_jobs(self) -> int:
        """Relay every event and run every job that is due by the server's clock; return their
        number."""
        runner, relay = self.runner, self.relay
        done = 0
        while found := relay.run_due() + runner.run_due():
            done += found
        return done

    def bearer(self, role: Role = Role.ADMIN) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[role]}"}

    def novaql(self, role: Role = Role.READ_ONLY, **body: Any) -> httpx.Response:
        return self.client.post("/v1/novaql", json=body, headers=self.bearer(role))

    def prometheus(self, path: str, **parameters: Any) -> httpx.Response:
        url = f"/prometheus/api/v1/{path}"
        return self.client.get(url, params=parameters, headers=self.bearer(Role.READ_ONLY))

    def write(self, series: Sequence[Series]) -> httpx.Response:
        headers = WRITE_HEADERS | self.bearer(Role.OPERATOR)
        body = packed(message_of(series))
        return self.client.post("/prometheus/api/v1/write", content=body, headers=headers)


@contextmanager
def local_server(
    store: Store | None = None,
    *,
    clock: Clock | None = None,
    database: StateDatabase | None = None,
    jobs: Sequence[Job] = (),
    limits: Limits | None = None,
    tuning: Tuning | None = None,
    **settings: Any,
) -> Iterator[LocalServer]:
    """A server over an empty store in memory, or over the given one, without quotas.

    Its first tenant has an administrator with a token of each role. Jobs run only when the test
    calls `server.run_jobs()`.
    """
    quiet = {
        "rate_per_minute": 0,
        "rate_per_day": 0,
        "auth_failures_per_minute": 0,
        "slo_cache_ttl_s": 0,
        "evaluations_spread": False,
        "job_threads": 0,
        "sync": "os",
    }
    samples = tsdb.memory() if store is None else store
    with tempfile.TemporaryDirectory() as folder:
        chosen = Settings(**{"data": Path(folder), **quiet, **settings})
        state = fresh_state(Path(folder)) if database is None else database
        app = create_app(
            chosen,
            store=samples,
            database=state,
            clock=clock,
            jobs=jobs,
            tuning=tuning or Tuning(),
        )
        tenant = app.state.context.access.default_principal.tenant_id
        secrets = _Tokens(state, tenant)
        idle = httpx.Limits(keepalive_expiry=KEEPALIVE_S)
        with (
            serving(app, limits) as url,
            QuickClient(base_url=url, timeout=30, limits=idle, verify=TLS) as client,
        ):
            client.cookies.jar.set_policy(_NO_COOKIES)
            yield LocalServer(client, samples, secrets, app)


class _Tokens(dict[Role, str]):
    """A token of each role, created on first use, because most tests use only one. Their user
    exists."""

    def __init__(self, database: StateDatabase, tenant_id: str) -> None:
        super().__init__()
        self._database, self._tenant_id = database, tenant_id
        add_admin(database, SystemClock(), tenant_id, email=ADA, called="unused")

    def __missing__(self, role: Role) -> str:
        made = add_admin(
            self._database, SystemClock(), self._tenant_id, email=ADA, called=role.value, role=role
        )
        self[role] = made.secret
        return made.secret


def token_of(database: StateDatabase, tenant_id: str, role: Role, email: str = ADA) -> str:
    """A fresh token of that role, of an administrator of the tenant."""
    clock = SystemClock()
    add_admin(database, clock, tenant_id, email=email, called="unused")
    return add_admin(database, clock, tenant_id, email=email, called=role.value, role=role).secret


def fresh_state(folder: Path) -> StateDatabase:
    """A migrated SQLite database, copied from one that is created once for all tests."""
    path = folder / "server" / "state.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_template(), path)
    return StateDatabase(f"sqlite:///{path}", durable=False)


@functools.cache
def _template() -> Path:
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    path = Path(folder.name) / "state.db"
    database = StateDatabase(f"sqlite:///{path}", durable=False)
    migrate(database)
    database.close()
    return path


@contextmanager
def serving(app: Starlette, limits: Limits | None = None) -> Iterator[str]:
    """The application behind a real socket, in a thread; its URL."""
    sock = listen(Settings(port=0))
    made = public_server(app, limits=limits)
    made.config.timeout_graceful_shutdown = 5
    running = _Prompt(made.config, app.state.context.lifecycle.stopping)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    app.state.control.begin().result()
    try:
        yield address_of(sock)
    finally:
        running.end()
        thread.join(timeout=30)
        sock.close()


class _Prompt(GracefulServer):
    """Ends at once. uvicorn checks every 0.1 s whether it should end, and then pauses for 0.1 s,
    which would be most of the time of a test."""

    def __init__(self, config: uvicorn.Config, stopping: threading.Event) -> None:
        super().__init__(config, stopping)
        self._ready = threading.Event()
        self._ended = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def end(self) -> None:
        self._ready.wait(timeout=30)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ended.set)

    async def main_loop(self) -> None:
        await self.on_tick(0)  # it sets the header Date
        self._loop = asyncio.get_running_loop()
        self._ready.set()
        await self._ended.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for sock in sockets or ():
            sock.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(0)  # their ends are noticed
        try:
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                await self._wait_tasks_to_complete()
        except TimeoutError:
            for task in self.server_state.tasks:
                task.cancel()
        await self.lifespan.shutdown()


@dataclass
class ServerProcess:
    """`python -m novaql.server`, listening. `token` is None without authentication."""

    process: subprocess.Popen[str] | Forked
    url: str
    token: str | None

    def kill(self) -> None:
        """Send SIGKILL."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Send SIGTERM, as a service manager does; return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=120)  # kernels that are being compiled end first


@contextmanager
def server_process(
    data: Path,
    *arguments: str,
    settings: Mapping[str, str] | None = None,
    had_tokens: bool = False,
    prefix: Sequence[str] = (),
    enter: Callable[[], None] | None = None,
) -> Iterator[ServerProcess]:
    """A server on a free port of this machine. Ended when the block is left.

    settings    what its environment says, as `{"job_threads": "0"}`
    had_tokens  its database is elsewhere and has tokens, so none is printed
    prefix      of the command; without one the process is a fork
    enter       what the fork calls first, as that of `memory_limit`
    """
    options = ["--data", str(data), "--listen", "127.0.0.1:0", *arguments]
    if (data / "server" / "state.db").exists():
        had_tokens = True
    elif "database_url" not in (settings or {}) and not data.exists():
        data.mkdir(mode=0o700, parents=True)
        fresh_state(data).close()  # migrations take half of a start
    environ = environment(settings)
    log = data.parent / f"{data.name}.log"
    if prefix:
        with log.open("a") as errors:
            process: subprocess.Popen[str] | Forked = subprocess.Popen(
                [*prefix, sys.executable, "-m", "novaql.server", *options],
                cwd=ROOT,
                env=environ,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
    else:
        process = start(["serve", *options], environ=environ, log=log, enter=enter)
    hangs = threading.Timer(_LONGEST_START_S, process.kill)  # end the wait for its first line
    hangs.start()
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first.startswith("NovaQL listens on "), log
        token = None
        if "--no-auth" not in arguments and not had_tokens:
            assert "token" in process.stdout.readline()
            token = process.stdout.readline().strip()
        url = first.split()[-1]
        wait_until_ready(f"{url}/readyz", process)
        hangs.cancel()
        yield ServerProcess(process, url, token)
    finally:
        hangs.cancel()
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def workers_of(server: ServerProcess) -> list[psutil.Process]:
    """The workers that are alive, without killed ones that have not been reaped yet."""
    found = []
    for process in psutil.Process(server.process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if process.name() == WORKER and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def wait_until_ready(
    url: str, process: subprocess.Popen[Any] | Forked, seconds: float = 90
) -> None:
    """Return once the URL answers 200."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, f"the process ended with {process.returncode}"
        try:
            # A server with TLS has a certificate that the test has added to the trusted ones since.
            trusted = TLS if url.startswith("http:") else True
            if httpx.get(url, verify=trusted).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{url} was not ready within {seconds} s")
