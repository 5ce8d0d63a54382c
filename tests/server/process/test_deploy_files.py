"""The container file and the systemd unit: what they run is there and starts with what they set.

There is no engine here to build an image with; its own steps run in a folder instead.
"""

from __future__ import annotations

import configparser
import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from novaql.server.settings import Settings
from tests.support.programs.prometheus_programs import free_port
from tests.support.repository.files import ROOT
from tests.support.servers import patiently
from tests.support.servers.http_server import wait_until_ready

DEPLOY = ROOT / "server" / "deploy"


def instructions() -> list[tuple[str, str]]:
    """The container file, an instruction a row."""
    text = (DEPLOY / "Containerfile").read_text()
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    rows = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [(word.upper(), rest) for word, rest in rows]


def test_every_instruction_is_one_and_stages_have_names() -> None:
    rows = instructions()
    known = {
        *("FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV", "VOLUME", "EXPOSE", "STOPSIGNAL"),
        *("HEALTHCHECK", "ENTRYPOINT", "ARG"),
    }
    assert {word for word, _ in rows} <= known
    assert next(rest for word, rest in rows if word == "FROM").endswith(" AS build")
    assert ("STOPSIGNAL", "SIGTERM") in rows
    user = next(rest for word, rest in rows if word == "USER")
    assert user != "root"
    for word, rest in rows:
        if word == "COPY" and "--from" not in rest:
            source = rest.split()[0]
            assert (ROOT / source).exists(), source


def test_the_image_is_warmed_up_by_root_in_a_folder_that_the_server_only_reads() -> None:
    """`tests/tsdb/runtime/test_compile_cache.py` and `tests/language/test_grammar_cache.py` read
    such a folder."""
    rows = instructions()
    image = rows[max(place for place, (word, _) in enumerate(rows) if word == "FROM") :]
    words = [word for word, _ in image]
    warmed, user = image.index(("RUN", "novaql warmup")), words.index("USER")
    assert words.index("ENV") < warmed < user
    settings = dict(one.split("=", 1) for one in image[words.index("ENV")][1].split())
    assert Path(settings["NOVAQL_CACHE_DIR"]).parent == Path("/opt/novaql")
    owned = next(rest for _, rest in image if "install -d -o novaql" in rest)
    assert settings["NOVAQL_CACHE_DIR"] not in owned
    assert settings["NUMBA_CACHE_DIR"] in owned  # for other processors


def test_what_is_installed_is_locked_by_hashes() -> None:
    install = next(rest for word, rest in instructions() if "pip install" in rest)
    install = " ".join(install.split())
    assert "--require-hashes -r server/deploy/requirements.txt" in install
    assert install.endswith("--no-deps --no-build-isolation .")
    locked: dict[str, str] = {}
    for file in ("requirements.txt", "requirements-build.txt"):
        text = (DEPLOY / file).read_text().replace("\\\n", " ")
        for line in text.splitlines():
            one = re.fullmatch(
                r"([a-z0-9._-]+)==(\S+)((?:\s+--hash=sha256:[0-9a-f]{64})+)\s*", line
            )
            assert one, line  # neither an address nor an option
            locked[canonical(one[1])] = one[2]
    pinned = {
        canonical(name): version
        for name, version in re.findall(
            r"^([A-Za-z0-9._-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE
        )
    }
    for name, version in locked.items():
        assert pinned.get(name, version) == version, name
    assert closure("novaql", {"server"}) - {"novaql"} <= locked.keys()


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(name: str, extras: set[str]) -> set[str]:
    """A distribution of this environment and all that it needs, with those extras."""
    found: set[str] = set()
    todo = [(name, frozenset(extras))]
    seen = set(todo)
    while todo:
        current, wanted = todo.pop()
        found.add(canonical(current))
        for line in importlib.metadata.requires(current) or ():
            needed = Requirement(line)
            marker = needed.marker
            if marker is None or any(
                marker.evaluate({"extra": extra, "python_version": "3.13"})
                for extra in (wanted or {""})
            ):
                row = (needed.name, frozenset(needed.extras))
                if row not in seen:
                    seen.add(row)
                    todo.append(row)
    return found


def test_no_history_environment_or_data_goes_into_the_image() -> None:
    """`COPY . .` of a working tree copies what is not ignored: secrets of a store among it."""
    left_out = {
        line.removeprefix("**/").rstrip("/")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    }
    never_committed = {
        line.rstrip("/")
        for line in (ROOT / ".gitignore").read_text().splitlines()
        if line.endswith("/")
    }
    assert never_committed | {".git"} <= left_out


def test_shell_steps_are_shell() -> None:
    for word, rest in instructions():
        if word == "RUN":
            subprocess.run(["/bin/sh", "-n", "-c", rest], check=True)


@pytest.mark.slow
def test_the_entry_point_starts_with_the_shipped_settings_and_the_health_check_passes(
    tmp_path: Path,
) -> None:
    """Paths are moved into a folder, and the port to a free one; all else is as in the image."""
    port, data = free_port(), tmp_path / "lib"
    config = tmp_path / "novaql.toml"
    shipped = (DEPLOY / "novaql.toml").read_text()
    config.write_text(shipped.replace("/var/lib/novaql", str(data)).replace("9490", str(port)))
    entry = next(rest for word, rest in instructions() if word == "ENTRYPOINT")
    program, *arguments = [part.strip('", ') for part in entry.strip("[]").split(",")]
    assert program == "novaql"
    arguments[arguments.index("--config") + 1] = str(config)
    environ = {k: v for k, v in os.environ.items() if not k.startswith("NOVAQL_")}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "novaql", *arguments],
            cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    assert process.stdout is not None
    try:
        wait_until_ready(f"http://127.0.0.1:{port}/readyz", process)
        check = next(rest for word, rest in instructions() if word == "HEALTHCHECK")
        command = check.partition("CMD ")[2].replace("9490", str(port))
        words = shlex.split(command)
        words[0] = sys.executable
        assert subprocess.run(words).returncode == 0
        first, token = process.stdout.readline(), ""
        assert first.startswith("NovaQL listens on ")
        process.stdout.readline()
        token = process.stdout.readline().strip()
        answer = patiently.get(
            f"http://127.0.0.1:{port}/v1/services", headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status_code == 200
    finally:
        process.terminate()
        assert process.wait(timeout=60) == 0
        process.stdout.close()
    assert subprocess.run(words, stderr=subprocess.DEVNULL).returncode != 0
    assert oct(data.stat().st_mode)[-2:] in ("00", "55")


def test_the_unit_is_one_that_systemd_reads() -> None:
    text = (DEPLOY / "novaql.service").read_text()
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]  # case counts there
    unit.read_string(text)
    service = unit["Service"]
    stop_s = int(service["TimeoutStopSec"])

    assert service["ExecStart"].split()[1:] == ["serve", "--config", "/etc/novaql/novaql.toml"]
    assert stop_s > Settings().shutdown_timeout_s + 5
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed: `apt-get install systemd`")
    done = subprocess.run(
        [analyze, "verify", str(DEPLOY / "novaql.service")], capture_output=True, text=True
    )
    complaints = [
        line
        for line in done.stderr.splitlines()
        if "novaql.service" in line and "/opt/novaql/bin/novaql" not in line
    ]
    assert complaints == []
