"""The executors of a running server: by its setting, for the tenants that the file names."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from novaql import ArgumentError
from novaql.cli.main import cli
from novaql.server.executors.config import ExecutorsConfig
from novaql.server.settings import Settings
from novaql.server.tenants.opening import open_executors
from tests.support.executors.shells import never, written
from tests.support.repository.files import ROOT
from tests.support.servers.http_server import local_server

ECHO = {"command": ["/bin/echo", "ran"]}


def test_a_server_has_none_by_default() -> None:
    assert Settings().executors_file is None
    assert open_executors(Settings()).names() == []


def test_executors_of_a_tenant(tmp_path: Path) -> None:
    folder = tmp_path / "configuration"
    folder.mkdir()
    mine, other = {**ECHO, "tenants": ["default"]}, {**ECHO, "tenants": ["other"]}
    file = written(folder, {"executors": {"mine": mine, "other": other}})
    with local_server(executors_file=file) as server:
        context = server.context
        scoped = context.scoped(context.access.default_principal)
        assert context.executors.names() == ["mine", "other"]
        assert scoped.tenant_executors.names() == ["mine"]
        with pytest.raises(LookupError, match="there is no tenant"):
            _ = context.tenant_executors
        executor = scoped.tenant_executors.get("mine")
        assert executor is not None
        outcome = executor.run({}, timeout_s=20, cancelled=never)

    assert outcome.output == "ran\n" or outcome.status == "refused"


@pytest.mark.parametrize("name", ["data", "ledger_key_file", "ledger_checkpoint_dir", "tls_key"])
def test_no_script_reads_files_of_the_settings(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "configuration"
    folder.mkdir()
    (tmp_path / "shown").mkdir()
    file = written(folder, {"executors": {"one": {**ECHO, "read": [str(tmp_path / "shown")]}}})
    hidden = tmp_path / "shown" / "hidden"
    settings = replace(Settings(data=tmp_path / "data"), executors_file=file)
    changes: dict[str, Any] = {name: hidden}
    changes |= {"tls_cert": hidden} if name == "tls_key" else {}

    with pytest.raises(ArgumentError, match=f"could read {hidden}"):
        open_executors(replace(settings, **changes))


def test_the_command_shows_executors_and_isolation(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    file = written(tmp_path, {"executors": {"one": {**ECHO, "tenants": ["acme", "b"]}}})
    arguments = ["admin", "executors", "--file", str(file), "--data", str(tmp_path / "data")]
    shown = CliRunner().invoke(cli, arguments)

    assert shown.exit_code == 0, shown.output
    assert shown.output.startswith("isolation: ")
    assert "one\tacme, b" in shown.output

    file.write_text("[executors.one]\ncommand = ['echo']\n")
    wrong = CliRunner().invoke(cli, arguments)
    assert wrong.exit_code != 0
    assert "executors.one.command: must begin with an absolute path" in (
        wrong.output + str(wrong.exception)
    )


def test_the_file_that_is_shipped_is_valid() -> None:
    shipped = ROOT / "server" / "deploy" / "executors.toml"
    config = ExecutorsConfig.model_validate(tomllib.loads(shipped.read_text("utf-8")))

    assert list(config.executors) == ["restart-service"]
    assert config.executors["restart-service"].tenants == ["acme"]
