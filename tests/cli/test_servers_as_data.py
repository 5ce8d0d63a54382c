"""The address of a NovaQL as data: `--token`, `NOVA_TOKEN`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from novaql.cli.main import run
from novaql.server.auth.roles import Role
from tests.support.servers.http_server import LocalServer, local_server

Text = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with local_server() as made:
        headers = made.bearer(Role.OPERATOR) | {"Content-Type": "text/plain"}
        made.client.post("/v1/ingest", content='up{job="a"} 1 60000\n', headers=headers)
        yield made


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOVA_TOKEN", raising=False)


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (("query", "up", "--time", "60", "--format", "csv", "--data"), ",1,up,a"),
        (("sql", "SELECT job FROM up", "--format", "csv", "--data"), "a"),
        (("labels", "job", "--data"), "a"),
        (("series", "up", "--data"), 'up{job="a"}'),
        (("bench", "--query", "up", "--rounds", "1"), "up"),
        (("import", "--data", "copy", "--start", "0", "--end", "120"), "copied 1 samples"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_token_of_the_command_line(
    command: tuple[str, ...],
    shown: str,
    server: LocalServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: Text,
) -> None:
    monkeypatch.chdir(tmp_path)
    url = str(server.client.base_url)
    assert run([*command, url]) == 1
    assert "token" in capfd.readouterr().err

    assert run([*command, url, "--token", server.tokens[Role.READ_ONLY]]) == 0
    printed = capfd.readouterr()
    assert shown in printed.out + printed.err
    assert "NOVA_TOKEN" not in os.environ


def test_the_option_has_precedence_over_the_variable(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch, capfd: Text
) -> None:
    monkeypatch.setenv("NOVA_TOKEN", "nova_wrong")
    command = ["labels", "job", "--data", str(server.client.base_url)]
    assert run(command) == 1
    assert run([*command, "--token", server.tokens[Role.READ_ONLY]]) == 0
    assert capfd.readouterr().out.split() == ["a"]
    assert os.environ["NOVA_TOKEN"] == "nova_wrong"
