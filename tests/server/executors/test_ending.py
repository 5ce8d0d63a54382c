"""The end of a run: none of its processes is left, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from novaql.server.executors.config import Limits
from novaql.server.executors.isolation import Program
from novaql.server.executors.own_uid import OwnUid
from novaql.server.executors.usage import of_uid
from tests.support.executors.shells import ISOLATIONS, NEEDS_ROOT, Shell
from tests.support.repository.files import ROOT

DAEMONS = "setsid sleep 98765 & (sleep 98765 &) ; nohup sleep 98765 >/dev/null 2>&1 </dev/null & "
SERVER = """
import sys
from contextlib import ExitStack
from pathlib import Path
from tests.support.executors.shells import Shell
uid = {"first_uid": int(sys.argv[3]), "max_runs": 1}
Shell(Path(sys.argv[1]), sys.argv[2], server=uid, timeout_s=60).run("exec sleep 98766")
"""


def running(text: str) -> list[str]:
    """Command lines of processes that contain a text."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_exit_codes(tmp_path: Path, isolation: str) -> None:
    shell = Shell(tmp_path, isolation)
    good, bad, signalled = shell.run("exit 0"), shell.run("exit 3"), shell.run("kill -TERM $$")

    assert (good.status, good.exit_code) == ("succeeded", 0)
    assert (bad.status, bad.exit_code, bad.detail) == ("failed", 3, "exit code 3")
    assert (signalled.status, signalled.exit_code) == ("failed", 143)
    assert "signal 15" in signalled.detail


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("end", ["exit 0", "exec sleep 98765", "kill -9 $$"])
def test_daemons_end_with_the_run(tmp_path: Path, isolation: str, end: str) -> None:
    mark = f"987{os.getpid()}"
    shell = Shell(tmp_path, isolation, limits={"timeout_s": 0.7})
    started = time.monotonic()
    outcome = shell.run((DAEMONS + end).replace("98765", mark))

    assert outcome.status == {"exit 0": "succeeded", "kill -9 $$": "failed"}.get(end, "timed_out")
    assert running(f"sleep {mark}") == []
    assert time.monotonic() - started < 60


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_ignored_signals_do_not_help(tmp_path: Path, isolation: str) -> None:
    shell = Shell(tmp_path, isolation, limits={"timeout_s": 0.5})
    outcome = shell.run("trap '' TERM INT HUP XCPU; while :; do sleep 0.1; done")

    assert (outcome.status, outcome.exit_code) == ("timed_out", None)


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_closed_streams_do_not_help(tmp_path: Path, isolation: str) -> None:
    shell = Shell(tmp_path, isolation, limits={"timeout_s": 0.5})
    outcome = shell.run("exec >&- 2>&- <&-; sleep 30")

    assert outcome.status == "timed_out"


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_the_time_of_the_caller_counts_too(tmp_path: Path, isolation: str) -> None:
    shell = Shell(tmp_path, isolation, timeout_s=0.5)

    assert shell.run("sleep 30").status == "timed_out"


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_cancelled_run_ends_within_a_second(tmp_path: Path, isolation: str) -> None:
    mark = f"986{os.getpid()}"
    cancel = threading.Event()
    shell = Shell(tmp_path, isolation)
    threading.Timer(0.5, cancel.set).start()
    outcome = shell.run(f"echo begun; sleep {mark} & sleep {mark}", cancelled=cancel.is_set)
    cancel.wait()

    assert (outcome.status, outcome.output) == ("cancelled", "begun\n")
    assert running(f"sleep {mark}") == []


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_an_error_of_the_caller_ends_the_run(tmp_path: Path, isolation: str) -> None:
    mark = f"985{os.getpid()}"

    def broken() -> bool:
        raise RuntimeError("the database is closed")

    with pytest.raises(RuntimeError, match="the database"):
        Shell(tmp_path, isolation).run(f"sleep {mark} & sleep {mark}", cancelled=broken)

    assert running(f"sleep {mark}") == []


@pytest.mark.skipif(os.geteuid() != 0, reason=NEEDS_ROOT)
def test_a_run_can_end_before_its_process_has_the_uid() -> None:
    program = Program(["/usr/bin/sleep", "3600"], [], False, Limits(), 65_001)
    with OwnUid().session(program) as session:
        process = session.start(stdin=subprocess.DEVNULL, output=subprocess.DEVNULL)
        process.send_signal(signal.SIGSTOP)  # it sets up its isolation as root first
        ending = threading.Thread(target=session.finish, daemon=True)
        ending.start()
        ending.join(timeout=20)
        hangs = ending.is_alive()
        process.kill()  # so that a failure of this test ends, too

    assert not hangs
    assert process.returncode is not None


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_concurrent_runs_are_bounded_and_apart(tmp_path: Path, isolation: str) -> None:
    shell = Shell(tmp_path, isolation, server={"max_runs": 2})
    outputs = []
    code = "date +%s%N; ls -A; touch mine; id -u; sleep 0.5; date +%s%N"
    threads = [
        threading.Thread(target=lambda: outputs.append(shell.run(code).output.split()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    spans = [(int(first), int(last)) for first, _, last in outputs]  # no file of another run
    for begin, _ in spans:
        assert sum(first <= begin < last for first, last in spans) <= 2
    if os.geteuid() == 0:
        assert len({uid for _, uid, _ in outputs}) == 2


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_run_that_gets_no_slot(tmp_path: Path, isolation: str) -> None:
    shell = Shell(tmp_path, isolation, server={"max_runs": 1})
    first = threading.Thread(target=lambda: shell.run("sleep 1.5"))
    first.start()
    time.sleep(0.5)
    waiting = shell.executor.run({"code": "true"}, timeout_s=0.2, cancelled=lambda: False)
    cancelled = shell.executor.run({"code": "true"}, timeout_s=5, cancelled=lambda: True)
    first.join()

    assert (waiting.status, cancelled.status) == ("refused", "cancelled")
    assert "max_runs" in waiting.detail
    assert shell.run("true").status == "succeeded"


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason=NEEDS_ROOT)
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_script_ends_with_a_server_that_is_killed(tmp_path: Path, isolation: str) -> None:
    uid = 62_000 + os.getpid() % 500
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, tmp_path, isolation, str(uid)], cwd=ROOT
    ) as server:
        deadline = time.monotonic() + 30
        while not any("sleep 98766" in line for line in running("sleep 98766")) or not of_uid(uid):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.3)
        server.kill()
    deadline = time.monotonic() + 5
    while of_uid(uid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason=NEEDS_ROOT)
def test_a_dedicated_uid_runs_one_script_at_a_time(tmp_path: Path) -> None:
    user = 61_500 + os.getpid() % 400
    shell = Shell(tmp_path, "uid", user=user)
    first = threading.Thread(target=lambda: shell.run("sleep 1"))
    first.start()
    time.sleep(0.5)
    second = shell.run("true")
    first.join()

    assert (second.status, second.detail) == ("refused", f"another script runs as uid {user}")
    assert shell.run("id -u").output == f"{user}\n"


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_the_wait_for_a_slot_is_a_part_of_the_time(tmp_path: Path, isolation: str) -> None:
    shell = Shell(tmp_path, isolation, server={"max_runs": 1}, timeout_s=3)
    other = ExitStack()
    other.enter_context(shell.executor._slots.slot(time.monotonic() + 10, lambda: False))
    threading.Timer(1.5, other.close).start()
    outcome = shell.run("sleep 2")

    assert outcome.status == "timed_out"
