"""The configuration: each error has its position, and unsafe files are errors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from novaql import ArgumentError
from novaql.server.executors import Executors
from tests.support.executors.shells import executor_of, written

USED = {"command": ["/bin/echo", "{word}"], "parameters": {"word": {"pattern": "[a-z]+"}}}


def message_of(folder: Path, executor: dict[str, Any], *private: Path, **server: Any) -> str:
    file = written(folder, {**server, "executors": {"one": executor}})
    with pytest.raises(ArgumentError) as raised:
        Executors.from_file(file, private=private)
    return str(raised.value)


def test_without_a_file_there_are_no_executors() -> None:
    none = Executors.from_file(None)

    assert none.names() == []
    assert none.get("one") is None


def test_a_valid_file(tmp_path: Path) -> None:
    file = written(tmp_path, {"executors": {"two": USED, "one": USED}})
    found = Executors.from_file(file)

    assert found.names() == ["one", "two"]
    assert found.get("three") is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"command": []}, "executors.one.command: List should have at least 1 item"),
        ({"command": ["echo"]}, "must begin with an absolute path, not 'echo'"),
        ({"command": ["{word}"]}, "must begin with an absolute path"),
        ({"command": ["/no/such/file", "{word}"]}, "command[0]: there is no file /no/such/file"),
        ({"command": ["/usr", "{word}"]}, "command[0]: there is no file /usr"),
        ({"command": ["/etc/passwd", "{word}"]}, "/etc/passwd is not executable"),
        ({"command": ["/bin/echo", "--word={word}"]}, "a parameter must be a whole argument"),
        ({"command": ["/bin/echo", "{word}{word}"]}, "a parameter must be a whole argument"),
        ({"command": ["/bin/echo", "{word}", "{other}"]}, "'other' is used, but not described"),
        ({"command": ["/bin/echo"]}, "'word' is not used"),
        ({"stdin": "text"}, "stdin must be `json` or one parameter"),
        ({"read": ["opt"]}, "'opt' must be an absolute path"),
        ({"read": ["/"]}, "'/' must be an absolute path below /"),
        ({"read": ["/opt/../etc"]}, "without `..`"),
        ({"read": ["/no/such"]}, "read: there is no /no/such"),
        ({"network": "yes"}, "executors.one.network: Input should be a valid boolean"),
        ({"shell": True}, "executors.one.shell: Extra inputs are not permitted"),
        ({"limits": {"cpu_s": 0}}, "executors.one.limits.cpu_s: Input should be greater than"),
        ({"user": 0}, "executors.one.user: Input should be greater than"),
        ({"parameters": {"word": {"pattern": "("}}}, "parameters.word.pattern: is not a regular"),
        ({"parameters": {"word": {}}}, "executors.one.parameters.word.pattern: Field required"),
    ],
)
def test_errors_have_a_position(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    found = message_of(tmp_path, {**USED, **changes})

    assert str(tmp_path / "executors.toml") in found
    assert message in found


def test_a_text_that_is_not_toml(tmp_path: Path) -> None:
    file = written(tmp_path, {})
    file.write_text("executors = [")

    with pytest.raises(ArgumentError, match="at end of document"):
        Executors.from_file(file)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="No such file"):
        Executors.from_file(tmp_path / "none.toml")


@pytest.mark.parametrize("mode", [0o666, 0o664, 0o602])
def test_a_file_that_others_can_change(tmp_path: Path, mode: int) -> None:
    file = written(tmp_path, {})
    file.chmod(mode)

    with pytest.raises(ArgumentError, match="other users can write to it"):
        Executors.from_file(file)


def test_a_folder_in_which_others_can_replace_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, {})
    tmp_path.chmod(0o777)

    with pytest.raises(ArgumentError, match="other users can write to it"):
        Executors.from_file(file)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: to own files of another user")
def test_a_file_of_another_user(tmp_path: Path) -> None:
    file = written(tmp_path, {})
    os.chown(file, 64_999, 64_999)

    with pytest.raises(ArgumentError, match="belongs to uid 64999"):
        Executors.from_file(file)


def test_a_program_that_others_can_change(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o777)

    found = message_of(tmp_path, {**USED, "command": [str(program), "{word}"]})

    assert "other users can write to it" in found


def test_scripts_cannot_read_private_folders(tmp_path: Path) -> None:
    data, key = tmp_path / "data", tmp_path / "keys" / "ledger.key"
    (data / "server").mkdir(parents=True)
    inside, above = str(data / "server"), str(tmp_path)
    (tmp_path / "link").symlink_to(data)

    assert f"could read {data}" in message_of(tmp_path, {**USED, "read": [inside]}, data)
    assert f"could read {data}" in message_of(tmp_path, {**USED, "read": [above]}, data)
    linked = {**USED, "read": [str(tmp_path / "link")]}
    assert f"could read {data}" in message_of(tmp_path, linked, data)
    assert f"could read {key}" in message_of(tmp_path, {**USED, "read": [above]}, key)
    assert "executors.toml" in message_of(tmp_path, {**USED, "read": [above]})
    assert "because it reads /usr" in message_of(tmp_path, USED, Path("/usr/local/data"))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: scripts have another uid")
def test_uids_of_accounts_are_not_used(tmp_path: Path) -> None:
    assert "is the uid of nobody" in message_of(tmp_path, {**USED, "user": 65_534})
    assert "is the uid of" in message_of(tmp_path, USED, first_uid=1)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: scripts have another uid")
def test_a_program_that_the_uid_of_scripts_cannot_reach(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    program = folder / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)

    found = message_of(tmp_path, {**USED, "command": [str(program), "{word}"]})

    assert "which only its owner can enter" in found


def test_tenants_use_the_executors_that_name_them(tmp_path: Path) -> None:
    table = {"none": [], "acme": ["acme"], "all": ["*"]}
    executors = {name: {**USED, "tenants": tenants} for name, tenants in table.items()}
    found = Executors.from_file(written(tmp_path, {"executors": executors}))

    assert found.for_tenant("acme").names() == ["acme", "all"]
    assert found.for_tenant("other").names() == ["all"]
    assert found.for_tenant("other").get("acme") is None


def test_an_isolation_that_is_impossible_refuses_every_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("novaql.server.executors.namespaces.tool", lambda name: None)
    executor = executor_of(tmp_path, ["/bin/echo"], isolation="namespaces")
    outcome = executor.run({}, timeout_s=5, cancelled=lambda: False)

    assert outcome.status == "refused"
    assert "bwrap is not installed (package bubblewrap)" in outcome.detail
    assert executor.unavailable == outcome.detail
