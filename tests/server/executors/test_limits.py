"""Limits of a run: processes, files, memory, CPU time and output."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from novaql.server.executors import Outcome
from novaql.server.executors.config import Limits
from novaql.server.executors.isolation import Usage
from novaql.server.executors.own_uid import measured
from novaql.server.executors.supervise import exceeded
from novaql.server.executors.usage import of_uid
from tests.support.executors.shells import ISOLATIONS, Shell

MIB = 1 << 20


@pytest.fixture
def left_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Work folders of scripts on disk."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return lambda: [path.name for path in tmp_path.glob("novaql-script-*")]


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_fork_bomb_ends(tmp_path: Path, isolation: str) -> None:
    limits = {"processes": 20, "timeout_s": 1.5, "cpu_s": 20}
    uid = 63_000 + os.getpid() % 500
    server = {"first_uid": uid, "max_runs": 1}
    shell = Shell(tmp_path, isolation, limits=limits, server=server)
    outcomes: list[Outcome] = []
    run = threading.Thread(
        target=lambda: outcomes.append(shell.run("f() { f | f & }; f; while :; do sleep 1; done"))
    )
    run.start()
    most = 0
    while run.is_alive():
        most = max(most, len(of_uid(uid)))
        time.sleep(0.02)
    run.join()

    assert outcomes[0].status == "timed_out", outcomes
    assert of_uid(uid) == []
    if os.geteuid() == 0:
        assert 10 <= most <= 20 + 3  # with the processes of bwrap


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_filling_the_disk_is_bounded_and_cleaned(
    tmp_path: Path, isolation: str, left_over: Callable[[], list[str]]
) -> None:
    shell = Shell(tmp_path, isolation, limits={"files_bytes": 4 * MIB, "timeout_s": 10})
    one = shell.run("head -c 100M /dev/zero > a")
    many = shell.run(
        "for i in 1 2 3 4 5 6 7 8; do head -c 1M /dev/zero > $i && echo wrote || echo full; done;"
        "sleep 2"
    )
    again = shell.run("ls -A; head -c 1M /dev/zero > a && echo wrote")

    assert one.status == "failed", one
    assert many.output.count("wrote") <= 4 or many.status == "failed", many
    assert "full" in many.output or "files_bytes" in many.detail, many
    assert again.output == "wrote\n"
    assert left_over() == []


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_many_and_deep_folders_are_bounded_and_cleaned(
    tmp_path: Path, isolation: str, left_over: Callable[[], list[str]]
) -> None:
    shell = Shell(tmp_path, isolation, limits={"files": 300, "timeout_s": 10})
    wide = shell.run("while :; do : > $((i++)) || exit; done")
    deep = shell.run(f"mkdir -p {'a/' * 400}; sleep 10")

    for outcome in (wide, deep):
        assert outcome.status == "failed", outcome
        assert "300 files" in outcome.detail
    assert left_over() == []


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_memory_of_one_process(tmp_path: Path, isolation: str) -> None:
    shell = Shell(tmp_path, isolation, limits={"memory_bytes": 64 * MIB, "timeout_s": 10})
    outcome = shell.run("head -c 200M /dev/zero | tail > /dev/null; exit ${PIPESTATUS[1]}")

    assert outcome.status == "failed", outcome
    assert "memory" in outcome.output + outcome.detail


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_memory_of_all_processes(tmp_path: Path, isolation: str) -> None:
    shell = Shell(tmp_path, isolation, limits={"memory_bytes": 64 * MIB, "timeout_s": 10})
    outcome = shell.run("for i in 1 2 3 4; do head -c 30M /dev/zero | tail | sleep 20 & done; wait")

    assert outcome.status == "failed", outcome
    assert "(memory_bytes)" in outcome.detail


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_cpu_time_of_one_process(tmp_path: Path, isolation: str) -> None:
    shell = Shell(tmp_path, isolation, limits={"cpu_s": 1})
    outcome = shell.run("exec /usr/bin/sha256sum /dev/zero")

    assert outcome.status == "failed", outcome
    assert "(cpu_s)" in outcome.detail


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_cpu_time_of_many_short_processes(tmp_path: Path, isolation: str) -> None:
    shell = Shell(tmp_path, isolation, limits={"cpu_s": 1})
    outcome = shell.run("while :; do timeout 0.2 /usr/bin/sha256sum /dev/zero; done")

    assert outcome.status == "failed", outcome
    assert "(cpu_s)" in outcome.detail


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_output_is_bounded(tmp_path: Path, isolation: str) -> None:
    shell = Shell(tmp_path, isolation, limits={"output_bytes": 1000, "timeout_s": 1})
    flood = shell.run("yes")
    longer = shell.run("head -c 1001 /dev/zero | tr '\\0' x; echo err >&2; exit 7")
    exact = shell.run("head -c 1000 /dev/zero | tr '\\0' x")

    assert (flood.status, len(flood.output), flood.truncated) == ("timed_out", 1000, True)
    assert (longer.exit_code, longer.output, longer.truncated) == (7, "x" * 1000, True)
    assert (exact.status, exact.output, exact.truncated) == ("succeeded", "x" * 1000, False)


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_output_is_text(tmp_path: Path, isolation: str) -> None:
    outcome = Shell(tmp_path, isolation).run("printf 'a\\0b\\xff\\n'; echo é >&2")

    assert outcome.output == "a�b�\né\n"


def test_each_limit_has_a_message() -> None:
    limits = Limits(cpu_s=1, memory_bytes=16 * MIB, files_bytes=4096, files=1)

    assert exceeded(Usage(2.0, 16 * MIB, 4096, 1), limits) == ""
    assert "(cpu_s)" in exceeded(Usage(cpu_s=2.1), limits)
    assert "(memory_bytes)" in exceeded(Usage(memory_bytes=16 * MIB + 1), limits)
    assert "(files_bytes)" in exceeded(Usage(files_bytes=4097), limits)
    assert "(files)" in exceeded(Usage(files=2), limits)


def test_the_size_of_a_folder_does_not_follow_links(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "large").write_bytes(b"x" * MIB)
    work = tmp_path / "work"
    (work / "a").mkdir(parents=True)
    (work / "link").symlink_to(tmp_path / "outside")
    (work / "loop").symlink_to(work)
    (work / "a" / "file").write_bytes(b"x" * 10_000)
    size, count = measured(str(work), 100)

    assert 10_000 <= size < 100_000
    assert count == 4
    assert measured(str(work), 2)[1] == 3


@pytest.mark.parametrize("depth", [50, 150])
def test_folders_that_are_nested_too_deeply(tmp_path: Path, depth: int) -> None:
    (tmp_path / "a" / ("b/" * (depth - 1))).mkdir(parents=True)

    assert measured(str(tmp_path), 1000)[1] == (depth if depth == 50 else 1001)
