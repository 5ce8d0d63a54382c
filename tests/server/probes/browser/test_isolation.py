"""The browser's processes: another user, a sandbox, no network, and nothing left afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from novaql.server.probes.browser import FlowResult
from novaql.server.probes.browser.command import BROWSER_UIDS
from tests.support.servers.browser_site import Answer, Site, run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("browser")]
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only a superuser can start another user")


def browsers(parent: psutil.Process) -> list[psutil.Process]:
    """The processes of browsers below a process: bubblewrap's, and all in its namespaces."""
    found = []
    for process in parent.children(recursive=True):
        try:
            if Path(process.cmdline()[0]).name in ("bwrap", "chromium", "chrome"):
                found.append(process)
        except (psutil.Error, IndexError):
            continue
    return found


def status(process: psutil.Process) -> dict[str, str]:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def alive(process: psutil.Process) -> bool:
    """Whether a process runs. One that has ended may wait for the machine's init to collect it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


class Running:
    """A flow that waits, and its processes."""

    def __init__(self, site: Site) -> None:
        self.results: list[FlowResult] = []
        self.stop = threading.Event()
        site.pages["/"] = Answer("<p>Here</p>")
        self._thread = threading.Thread(
            target=lambda: self.results.append(
                run(
                    site.url(),
                    {"action": "wait", "for": 60},
                    timeout_s=60,
                    cancelled=self.stop.is_set,
                )
            )
        )
        self._thread.start()
        while not site.requests:
            time.sleep(0.05)
        time.sleep(0.5)
        self.processes = browsers(psutil.Process())

    def of_kind(self, kind: str) -> list[psutil.Process]:
        return [p for p in self.processes if any(kind in part for part in p.cmdline())]

    @property
    def browser(self) -> psutil.Process:
        """The first process of Chromium; others are its children."""
        mains = [p for p in self.processes if p.name().startswith("chrom")]
        return min(mains, key=lambda process: process.create_time())

    def end(self) -> FlowResult:
        self._thread.join(30)
        (result,) = self.results
        return result


@pytest.fixture
def running(site: Site) -> Iterator[Running]:
    made = Running(site)
    yield made
    made.stop.set()
    made.end()
    assert not any(alive(process) for process in made.processes)


@ROOT
def test_the_browser_is_another_user(running: Running) -> None:
    users = {status(process)["Uid"] for process in running.processes}

    assert len(running.processes) > 4
    assert len(users) == 1
    (numbers,) = {tuple(set(user.split())) for user in users}
    assert [int(number) in BROWSER_UIDS for number in numbers] == [True]
    assert {status(process)["Groups"] for process in running.processes} <= {"", numbers[0]}


@ROOT
def test_browsers_do_not_share_the_limit_of_processes(site: Site) -> None:
    """The kernel counts the processes of a user. Three browsers have the same one of 4 336 users by
    chance once in 19 million runs."""
    runs = []
    try:
        for _ in range(3):
            site.requests.clear()
            runs.append(Running(site))
        users = {status(process)["Uid"] for run in runs for process in run.processes}
    finally:
        for run in runs:
            run.stop.set()
        for run in runs:
            run.end()
    assert len(users) > 1


def test_pages_are_in_the_sandbox_of_chromium(running: Running) -> None:
    pages = running.of_kind("--type=renderer")

    assert pages
    for page in pages:
        assert status(page)["Seccomp"] == "2"
        assert status(page)["NoNewPrivs"] == "1"
        assert int(status(page)["CapEff"], 16) == 0
        browser = running.browser
        for namespace in ("user", "pid", "net"):
            theirs = Path(f"/proc/{page.pid}/ns/{namespace}").readlink()
            assert theirs != Path(f"/proc/{browser.pid}/ns/{namespace}").readlink()
    assert not running.of_kind("--no-sandbox")


def test_the_browser_has_only_loopback(running: Running) -> None:
    for process in running.processes:
        if not Path(f"/proc/{process.pid}/net").exists():
            continue
        routes = Path(f"/proc/{process.pid}/net/route").read_text().splitlines()
        devices = Path(f"/proc/{process.pid}/net/dev").read_text().splitlines()[2:]
        assert len(routes) <= 1
        assert [line.split(":")[0].strip() for line in devices] == ["lo"]


@ROOT
def test_the_browser_sees_no_files_of_the_machine(running: Running) -> None:
    browser = running.browser
    seen = Path(f"/proc/{browser.pid}/root")

    assert {path.name for path in seen.iterdir()} == {
        *("bin", "dev", "etc", "lib", "lib64", "proc", "profile", "sbin", "tmp", "usr"),
        *(["opt"] if Path("/opt/google").is_dir() else []),
    }
    assert not (seen / "etc" / "passwd").exists()
    assert (seen / "profile" / "data").is_dir()
    assert "/profile" not in {part.mountpoint for part in psutil.disk_partitions(all=True)}
    environment = (Path("/proc") / str(browser.pid) / "environ").read_bytes()
    assert environment.split(b"\0")[0].startswith((b"HOME=", b"PATH=", b"TZ=", b"PWD="))


def test_nothing_is_left(running: Running) -> None:
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    threads = threading.active_count()

    running.stop.set()
    result = running.end()

    assert result.failure_reason == "cancelled"
    assert not any(alive(process) for process in running.processes)
    assert browsers(psutil.Process()) == []
    assert len(list(Path("/proc/self/fd").iterdir())) < descriptors
    assert threading.active_count() < threads
    assert not Path("/profile").exists()


def kill_page(running: Running) -> None:
    for page in running.of_kind("--type=renderer"):
        page.kill()


def kill_browser(running: Running) -> None:
    running.browser.kill()


@pytest.mark.parametrize("kill", [kill_page, kill_browser])
def test_a_crash_is_reported(running: Running, kill: Callable[[Running], None]) -> None:
    kill(running)

    result = running.end()

    assert result.failure_reason == "browser_crashed", result
    assert result.duration_s < 30


PROGRAM = """
import sys, threading
sys.path.insert(0, {root!r})
from novaql.server.probes.browser import available
from tests.support.servers.browser_site import Answer, run, site
if reason := available():
    sys.exit(reason)
with site() as made:
    made.pages["/"] = Answer("<p>Here</p>")
    print("started", flush=True)
    wait = {{"action": "wait", "for": {wait}}}
    result = run(made.url(), {{"action": "expect_text", "text": "Here"}}, wait, timeout_s=60)
    sys.exit(None if result.success else result.detail)
"""


def program(wait: float) -> list[str]:
    root = str(Path(__file__).parents[4])
    return [sys.executable, "-c", PROGRAM.format(root=root, wait=wait)]


def test_a_killed_server_leaves_no_browser() -> None:
    with subprocess.Popen(program(50), stdout=subprocess.PIPE) as server:
        found: list[psutil.Process] = []
        end = time.monotonic() + 30
        while len(found) < 5 and time.monotonic() < end:
            time.sleep(0.2)
            found = browsers(psutil.Process(server.pid))
        assert len(found) >= 5
        server.send_signal(signal.SIGKILL)

    end = time.monotonic() + 10
    while any(alive(process) for process in found) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(alive(process) for process in found)


@ROOT
def test_an_ordinary_user_has_a_browser_too() -> None:
    """Its processes are in a user namespace that hides all files and processes of this user."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("there is no setpriv (util-linux)")
    reading = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]

    done = subprocess.run(
        [setpriv, "--reuid=12345", "--regid=12345", "--clear-groups", *reading, *program(0.1)],
        capture_output=True,
        timeout=60,
        check=False,
        env={"PYTHONDONTWRITEBYTECODE": "1"},
    )

    assert done.returncode == 0, done.stderr.decode()
