"""What a script can access: nothing of the server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from novaql.server.executors.isolation import tool
from tests.support.executors.shells import (
    ISOLATIONS,
    NEEDS_BWRAP,
    NEEDS_ROOT,
    Shell,
    executor_of,
    never,
)
from tests.support.repository.files import ROOT

KEY = "the master key"
BODY = """
import sys
from pathlib import Path
from tests.support.executors.shells import Shell
folder = Path(sys.argv[1])
shell = Shell(folder, "namespaces", private=[folder / "data"])
outcome = shell.run(sys.argv[2])
print(outcome.status, outcome.output, outcome.detail)
"""


@pytest.fixture(params=[0o700, 0o755])
def data(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A data directory; in one case, its permissions would allow anyone to read it."""
    server = tmp_path / "data" / "server"
    server.mkdir(parents=True)
    (server / "master.key").write_text(KEY)
    (server / "master.key").chmod(0o600 if request.param == 0o700 else 0o644)
    for folder in (server, server.parent):
        folder.chmod(request.param)
    return tmp_path / "data"


def attempts(data: Path) -> str:
    """Ways to read the key: by its path, upwards from the work folder, by links, by /proc."""
    key = data / "server" / "master.key"
    upwards = "../" * 20 + str(key).removeprefix("/")
    return f"""
        cat {key}; cat {upwards}; ls -R {data}; find / -name master.key
        ln -s {key} a; cat a; ln -s {data} b; cat b/server/master.key; cp b/server/master.key c
        ln {key} d; cat d; mkdir -p e/f; cd e/f; cat ../../{upwards}
        for p in /proc/[0-9]*; do cat $p/root{key} $p/cwd/{key}; tr '\\0' ' ' <$p/environ; done
        exec 3<{key}; cat <&3; chmod 777 {key}; rm -rf {data}; echo x >{key}; true
    """


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_the_master_key_and_the_data_are_unreachable(
    tmp_path: Path, data: Path, isolation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOVAQL_MASTER_KEY", KEY)
    outcome = Shell(tmp_path, isolation, private=[data]).run(attempts(data))

    assert outcome.status == "succeeded", outcome
    assert "No such file" in outcome.output or "Permission denied" in outcome.output
    assert KEY not in outcome.output
    assert (data / "server" / "master.key").read_text() == KEY


@pytest.mark.slow
@pytest.mark.skipif(tool("bwrap") is None, reason=NEEDS_BWRAP)
@pytest.mark.skipif(os.geteuid() != 0, reason=NEEDS_ROOT)
def test_the_same_for_a_server_of_an_ordinary_user(tmp_path: Path, data: Path) -> None:
    """The server itself, whose uid the script has, can read the key."""
    user = 64_900
    subprocess.run(["/bin/chown", "-R", f"{user}:{user}", tmp_path], check=True)
    base = ["/usr/bin/setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"]
    python = [*base, sys.executable]
    probe = subprocess.run([*python, "-c", "import novaql.server"], cwd=ROOT, check=False)
    if probe.returncode:
        pytest.skip("needs a checkout that other users can read")

    read = subprocess.run(
        [*base, "/bin/cat", data / "server" / "master.key"], capture_output=True, check=True
    )
    run = subprocess.run(
        [*python, "-c", BODY, tmp_path, attempts(data)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert read.stdout.decode() == KEY
    assert run.stdout.startswith("succeeded"), run
    assert "No such file" in run.stdout
    assert KEY not in run.stdout
    assert (data / "server" / "master.key").read_text() == KEY


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_the_environment_is_empty(
    tmp_path: Path, isolation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOVAQL_DATABASE_URL", "postgresql://secret")
    outcome = Shell(tmp_path, isolation).run("exec /usr/bin/env")
    names = {line.partition("=")[0] for line in outcome.output.splitlines()}

    assert names - {"PWD", "SHLVL", "OLDPWD", "_"} == {"PATH", "HOME", "LANG"}
    assert "secret" not in outcome.output


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_file_descriptors_are_not_inherited(tmp_path: Path, isolation: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("open in the server")
    with secret.open() as file:
        os.set_inheritable(file.fileno(), True)
        code = "for n in $(seq 3 250); do { cat <&$n; } 2>/dev/null && echo $n; done; true"
        outcome = Shell(tmp_path, isolation).run(code)

    assert (outcome.status, outcome.output) == ("succeeded", "")


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_privileges_are_gone(tmp_path: Path, isolation: str) -> None:
    outcome = Shell(tmp_path, isolation).run(
        "id -u; id -G; cat /proc/self/status; for command in 'chown 0 .' 'mount -t tmpfs x .'"
        " 'touch /usr/x' 'touch /etc/x' 'touch /dev/shm/x' 'unshare --user --map-root-user mount"
        " -t tmpfs x .' 'setpriv --reuid 0 true'; do $command && echo escaped: $command; done; true"
    )
    lines = outcome.output.splitlines()

    assert lines[0] != "0"
    assert "0" not in lines[1].split()
    assert "escaped" not in outcome.output
    if isolation == "namespaces":
        assert "NoNewPrivs:\t1" in lines
        assert "CapEff:\t0000000000000000" in lines


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("network", [False, True])
def test_no_network_unless_granted(tmp_path: Path, isolation: str, network: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        shell = Shell(tmp_path, isolation, network=network)
        outcome = shell.run(f"exec 3<>/dev/tcp/127.0.0.1/{port} && echo connected")
        listener.settimeout(0.3)  # the kernel has accepted what the listener has not
        try:
            listener.accept()[0].close()
            seen = True
        except TimeoutError:
            seen = False

    assert ("connected" in outcome.output) is network, outcome
    assert seen is network


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_other_processes_are_out_of_reach(tmp_path: Path, isolation: str) -> None:
    with subprocess.Popen(["/bin/sleep", "30"]) as victim:
        outcome = Shell(tmp_path, isolation).run(f"kill -9 {victim.pid}; kill -9 -1; true")
        alive = victim.poll() is None
        victim.kill()

    assert alive, outcome


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_only_configured_files_can_be_read(tmp_path: Path, isolation: str) -> None:
    for name in ("shown", "hidden"):
        (tmp_path / name).mkdir(mode=0o755)
        (tmp_path / name / "file").write_text(f"text of {name}")
        (tmp_path / name / "file").chmod(0o644)
        (tmp_path / name).chmod(0o755)
    shell = Shell(tmp_path, isolation, read=[str(tmp_path / "shown")])
    outcome = shell.run(f"cat {tmp_path}/*/file; cat {tmp_path}/hidden/file {tmp_path}/shown/file")

    assert "text of shown" in outcome.output
    assert "text of hidden" not in outcome.output
    assert shell.run(f"echo x > {tmp_path}/shown/file").status == "failed"


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_program_outside_of_system_folders(tmp_path: Path, isolation: str) -> None:
    program = tmp_path / "program"
    program.write_text('#!/bin/bash\ncode="$1"\neval "$code"\n')
    program.chmod(0o755)
    executor = executor_of(tmp_path, [str(program), "echo ran"], isolation=isolation)
    outcome = executor.run({}, timeout_s=10, cancelled=never)

    assert (outcome.status, outcome.output) == ("succeeded", "ran\n"), outcome


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_configured_file_below_dev_can_be_read(tmp_path: Path, isolation: str) -> None:
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("there is no /dev/shm; mount a tmpfs there")
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as shown:
        shown.write(b"text of shown")
        shown.flush()
        os.fchmod(shown.fileno(), 0o644)
        outcome = Shell(tmp_path, isolation, read=[shown.name]).run(f"cat {shown.name}")
    assert outcome.output == "text of shown"


@pytest.mark.skipif(tool("bwrap") is None, reason=NEEDS_BWRAP)
@pytest.mark.parametrize("read", ["/proc", "/dev", "/dev/urandom"])
def test_no_configured_path_replaces_the_processes_and_devices(read: str) -> None:
    # Temporary files may be below /dev/shm, and scripts must not read the server's own.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        shell = Shell(Path(folder), "namespaces", read=[read])

        assert shell.run("head -c 3 /dev/urandom | wc -c").output == "3\n"
        assert str(os.getpid()) not in shell.run("ls /proc").output.split()
