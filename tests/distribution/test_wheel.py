"""A wheel works without the checkout: in an empty environment, on each Python that it names.

The environments need the package registry, as the installation of the tests does.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.repository.files import ROOT, repository_files
from tests.support.servers import patiently
from tests.support.servers.http_server import wait_until_ready

pytestmark = pytest.mark.slow

PACKAGES = {"grammar", "novaql", "server", "tsdb"}
CLIENTS = (
    "influxdb",
    "influxdb-client",
    "ipykernel",
    "nbclient",
    "openapi-python-client",
    "opentelemetry-exporter-otlp-proto-http",
    "opentelemetry-sdk",
    "prometheus-api-client",
)
"""What tasks of first contact in `clients` use."""
PIP = (sys.executable, "-m", "pip", "--python")
"""That of this process, for every environment: each one of its own would be installed first."""
ONLY_IN_THE_SOURCES = ("server/deploy/", "server/db/migrations/script.py.mako")
"""Files of those who install a server as a service, and of those who write migrations."""
LONGEST_S = 1800


def run(*command: str | Path, folder: Path, **settings: str) -> str:
    """Return what a program prints; it sees neither the checkout nor settings of this process.

    Kernels are not compiled: NumPy answers what few queries ask.
    """
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("NOVAQL_", "PYTHON", "PYTEST", "COVERAGE", "HYPOTHESIS"))
    }
    done = subprocess.run(
        command,
        cwd=folder,
        env={**environ, "NOVAQL_COMPILED": "off", **settings},
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, in which a build leaves its files."""
    folder = tmp_path_factory.mktemp("sources")
    for path in repository_files():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, folder / path)
    for link in ("grammar", "server", "tsdb"):
        (folder / "novaql" / link).symlink_to(f"../{link}")
    samples = folder / "novaql-data" / "server"  # what a server leaves in its working directory
    samples.mkdir(parents=True)
    (samples / "notes.md").write_text("of this machine\n")
    return folder


@dataclass(frozen=True)
class Built:
    """A wheel built from the sources, and one from the archive of the sources."""

    wheel: Path
    from_archive: Path


@pytest.fixture(scope="module")
def built(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("dist")
    # Without an environment of its own for each build: the versions are those of constraints.txt.
    build = (sys.executable, "-m", "build", "--no-isolation", "--outdir")
    run(*build, folder / "archive", sources, folder=folder)
    run(*build, folder / "direct", "--wheel", sources, folder=folder)
    (direct,), (from_archive,) = (folder.glob(f"{way}/*.whl") for way in ("direct", "archive"))
    return Built(direct, from_archive)


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_archive_of_sources_makes_the_same_wheel(built: Built) -> None:
    assert contents(built.from_archive) == contents(built.wheel)


def test_the_top_level_is_one_package(built: Built) -> None:
    found = contents(built.wheel)
    assert {name.partition("/")[0] for name in found if ".dist-info/" not in name} == {"novaql"}
    (names,) = (text for name, text in found.items() if name.endswith(".dist-info/top_level.txt"))
    assert names.split() == [b"novaql"]


def test_the_wheel_has_every_file_of_the_packages(built: Built) -> None:
    wanted = {
        str(path if path.parts[0] == "novaql" else "novaql" / path)
        for path in repository_files()
        if path.parts[0] in PACKAGES and not str(path).startswith(ONLY_IN_THE_SOURCES)
    }
    found = {name for name in contents(built.wheel) if ".dist-info/" not in name}
    assert found == wanted


@dataclass(frozen=True)
class Environment:
    """Where a wheel is installed, and a folder outside of it."""

    bin: Path
    folder: Path

    def python(self, *arguments: str | Path) -> str:
        return run(self.bin / "python", *arguments, folder=self.folder)

    def novaql(self, *arguments: str) -> str:
        return run(self.bin / "novaql", *arguments, folder=self.folder)

    def pip(self, *arguments: str | Path) -> str:
        return run(*PIP, self.bin / "python", *arguments, folder=self.folder)


RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
VERSIONS = sorted({"3.11", "3.13", RUNNING})


def found_interpreter(version: str) -> str | None:
    """Return a Python of that version that can make environments."""
    candidates = [sys.executable, shutil.which(f"python{version}")]
    candidates += sorted(map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python")))
    check = f"import ensurepip, sys, venv; assert sys.version.startswith({version + '.'!r})"
    for found in filter(None, candidates):
        if subprocess.run([found, "-c", check], capture_output=True).returncode == 0:
            return found
    return None


def interpreter(version: str) -> str:
    """Return a Python of that version that can make environments, or skip the test.

    That of this process must be able to, so that at least one Python is tested.
    """
    found = found_interpreter(version)
    if found is not None:
        return found
    missing = (
        f"there is no Python {version} with the modules venv and ensurepip: "
        f"`apt-get install python{version}-venv`, or `pyenv install {version}`"
    )
    if version == RUNNING:
        pytest.fail(missing)
    pytest.skip(missing)


def test_an_absent_python_is_skipped_with_advice_but_not_the_running_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert interpreter(RUNNING) == sys.executable
    with pytest.raises(pytest.skip.Exception, match=r"apt-get install python3\.99-venv.*pyenv"):
        interpreter("3.99")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess((), 1))
    with pytest.raises(pytest.fail.Exception, match=f"no Python {RUNNING}"):
        interpreter(RUNNING)


@pytest.fixture(scope="module", params=VERSIONS)
def python(request: pytest.FixtureRequest) -> str:
    return interpreter(request.param)


@pytest.fixture(scope="module")
def runs_tasks(python: str) -> bool:
    """Whether the wheel runs the tasks of first contact on this Python.

    `tests/first_contact` runs them from the sources on that of this process. The wheel does so
    only if there is no other Python.
    """
    others = (found_interpreter(version) for version in VERSIONS if version != RUNNING)
    return python != sys.executable or not any(others)


def install(place: Environment, *requirements: str) -> None:
    """Install with uv, as the gate does; with pip where only pip's configuration has a registry."""
    versions = ("-q", "-c", ROOT / "constraints.txt")
    uv = (sys.executable, "-m", "uv", "pip", "install", "--python", place.bin / "python")
    try:
        run(*uv, *versions, *requirements, folder=place.folder)
    except AssertionError:
        place.pip("install", "--no-compile", *versions, *requirements)


@pytest.fixture(scope="module")
def core(python: str, built: Built) -> Iterator[Environment]:
    """The wheel without extras. The environment takes a gigabyte at last; it is removed."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "outside")
        folder.mkdir()
        run(python, "-m", "venv", "--without-pip", Path(place, "venv"), folder=folder)
        made = Environment(Path(place, "venv", "bin"), folder)
        install(made, str(built.wheel))
        yield made


@pytest.fixture(scope="module")
def everything(core: Environment, built: Built, runs_tasks: bool) -> Environment:
    """The same environment with all extras; for the tasks, with pytest and what these use.

    The test of the core comes first in this file: it fails once the extras are there.
    """
    for_tasks = ("pytest", *CLIENTS) if runs_tasks else ()
    install(core, f"{built.wheel}[all]", *for_tasks)
    return core


def test_the_core_needs_no_extra(core: Environment) -> None:
    (core.folder / "up.prom").write_text('up{job="a"} 1 60000\n')
    program = (
        "import novaql; print(novaql.__file__); "
        "print(novaql.query('up + 1', 'up.prom', time=60).csv())"
    )

    where, *csv = core.python("-c", program).split()

    assert where.startswith(str(core.bin.parent))
    assert csv[-1].endswith("2,a")
    assert "2" in core.novaql("query", "up + 1", "--data", "up.prom", "--time", "60")
    core.pip("check")
    with pytest.raises(AssertionError, match=r"pip install 'novaql\[server\]'"):
        core.novaql("serve")


def test_the_command_has_its_help(everything: Environment) -> None:
    said = everything.novaql("--help")

    assert "Usage: novaql" in said
    assert everything.python("-m", "novaql", "--help") == said
    assert "Usage: novaql serve" in everything.novaql("serve", "--help")
    everything.pip("check")


def test_the_tasks_of_the_first_hour_work(everything: Environment, runs_tasks: bool) -> None:
    if not runs_tasks:
        pytest.skip(f"another Python runs them with the wheel; tests/first_contact on {RUNNING}")
    tasks = everything.folder / "first_contact"
    shutil.copytree(ROOT / "tests" / "first_contact", tasks)
    many = len([path for path in tasks.glob("*/*") if path.suffix in (".py", ".sh")])

    said = everything.python("-m", "pytest", "-q", "-p", "no:cacheprovider", tasks)

    counted = re.findall(r"(\d+) (passed|skipped)", said.strip().splitlines()[-1])
    assert sum(int(number) for number, _ in counted) == many, said


def test_a_server_serves_its_pages(everything: Environment) -> None:
    command = ["novaql", "serve", "--no-auth", "--data", "data", "--listen", "127.0.0.1:0"]
    environ = {"PATH": f"{everything.bin}:{os.environ['PATH']}", "NOVAQL_COMPILED": "off"}
    with subprocess.Popen(
        command, cwd=everything.folder, env=environ, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            wait_until_ready(f"{url}/healthz", process)
            for path in ("/", "/docs", "/readyz", "/metrics", "/v1/openapi.json"):
                assert patiently.get(f"{url}{path}").status_code == 200, path
            answer = patiently.post(f"{url}/v1/novaql", json={"query": "1 + 1", "time": "0"})
            assert answer.json()["result"] == [0, 2]
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=LONGEST_S) == 0
