"""The signing keys: a private file outside the database, that is rotated and never replaced."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from novaql.cli.main import run
from novaql.ledger.notes import Checkpoint, VerifierKey
from novaql.ledger.verify import LedgerFault, verify_export
from novaql.server.clock import SteppedClock
from novaql.server.crypto.sealing import write_private
from novaql.server.db.engine import StateDatabase
from novaql.server.ledger.keys import (
    NAME,
    LedgerKeys,
    key_file,
    open_keys,
    report_lost,
    rotate_keys,
)
from novaql.server.settings import Settings
from tests.server.ledger.test_ledger_api import exported, grown, keys_of, write
from tests.support.servers.agent_rig import NOW, AgentRig, code_of
from tests.support.servers.http_server import fresh_state, local_server


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[AgentRig]:
    clock = SteppedClock(NOW)
    with local_server(clock=clock, database=fresh_state(tmp_path)) as server:
        yield AgentRig(server, clock)


def path_of(rig: AgentRig) -> Path:
    return key_file(rig.server.context.settings, rig.server.context.database)


def checkpoint(rig: AgentRig, agent: str) -> Any:
    return rig.get(f"/v1/agents/{agent}/audit/checkpoint")


def test_the_key_is_in_a_private_file_and_nowhere_else(rig: AgentRig) -> None:
    agent = grown(rig, 3)
    checkpoint(rig, agent)
    file = path_of(rig)
    keys = open_keys(rig.server.context.settings, rig.server.context.database, NOW)
    seed = keys.keys[0].seed
    assert seed is not None

    assert file.name == NAME
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    database = Path(str(rig.server.context.database.url.database))
    stored = [path for path in database.parent.rglob("*") if path.is_file() and path != file]
    assert all(seed not in path.read_bytes() for path in stored)


def test_after_a_rotation_old_checkpoints_verify_with_the_old_key(rig: AgentRig) -> None:
    context = rig.server.context
    agent = grown(rig, 3)
    old = checkpoint(rig, agent)
    rig.clock.step(timedelta(hours=1))
    fresh = rotate_keys(context.settings, context.database, rig.clock.now())
    write(rig.server, agent)
    new = checkpoint(rig, agent)
    listed = rig.get("/v1/ledger/keys")["data"]

    assert [(one["valid_from"], one["valid_until"]) for one in listed] == [
        ("2026-04-01T13:00:00Z", None),
        ("2026-04-01T12:00:00Z", "2026-04-01T13:00:00Z"),
    ]
    assert [one["vkey"] for one in listed] == [new["vkey"], old["vkey"]]
    assert new["vkey"] == fresh.text != old["vkey"]
    assert new["origin"] == old["origin"]
    old_key, new_key = (VerifierKey.parse(one["vkey"]) for one in (old, new))
    saved = Checkpoint.parse(old["checkpoint"])
    assert saved.signer([old_key]) == old_key
    assert saved.signer([new_key]) is None
    lines = exported(rig, agent)
    assert verify_export(lines, [new_key, old_key], saved).key == new_key
    with pytest.raises(LedgerFault, match="saved checkpoint has no valid signature"):
        verify_export(lines, [new_key], saved)
    with pytest.raises(LedgerFault, match="of the export has no valid signature"):
        verify_export(lines, [old_key], saved)
    seeds = [key.seed for key in open_keys(context.settings, context.database, NOW).keys]
    assert seeds[1] is None


def test_two_may_open_the_keys_first(rig: AgentRig, monkeypatch: pytest.MonkeyPatch) -> None:
    context = rig.server.context
    where = (context.settings, context.database, NOW)
    read = StateDatabase.read
    others: list[LedgerKeys] = []

    def slow_read(database: StateDatabase, tenant_id: str | None) -> Any:
        if not others:  # another request creates the file after this one found none
            monkeypatch.setattr(StateDatabase, "read", read)
            others.append(open_keys(*where))
        return read(database, tenant_id)

    monkeypatch.setattr(StateDatabase, "read", slow_read)
    assert [open_keys(*where)] == others


def test_a_lost_key_is_not_replaced_in_silence(rig: AgentRig) -> None:
    agent = grown(rig, 3)
    rig.step(seconds=300)
    content = path_of(rig).read_bytes()
    path_of(rig).unlink()
    for path in (f"/v1/agents/{agent}/audit/checkpoint", "/v1/ledger/keys"):
        answer = rig.ask("GET", path)
        assert code_of(answer) == (503, "ledger_keys_unusable")
        assert "put back" in answer.json()["error"]["message"]
    assert not path_of(rig).exists()
    assert len(rig.entries(agent)) == 3
    write(rig.server, agent)
    rig.step(seconds=300)  # the job fails, and is due again
    path_of(rig).write_bytes(content)
    rig.step(seconds=60)
    assert checkpoint(rig, agent)["published_size"] == 4


def test_a_key_that_is_lost_before_the_first_publication_is_not_replaced(
    rig: AgentRig, caplog: pytest.LogCaptureFixture
) -> None:
    agent = grown(rig, 3)
    checkpoint(rig, agent)  # signed, not published
    path_of(rig).unlink()
    answer = rig.ask("GET", f"/v1/agents/{agent}/audit/checkpoint")
    assert code_of(answer) == (503, "ledger_keys_unusable")
    assert not path_of(rig).exists()
    report_lost(rig.server.context.settings, rig.server.context.database)  # at the next start
    assert "ledger.keys is missing" in caplog.text


def test_a_start_without_ledgers_reports_no_lost_key(
    rig: AgentRig, caplog: pytest.LogCaptureFixture
) -> None:
    report_lost(rig.server.context.settings, rig.server.context.database)
    assert "ledger.keys" not in caplog.text


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\xff", b'{"name": "n", "keys": []}', b'{"name": 1, "keys": [{}]}']
)
def test_a_damaged_file_is_reported(rig: AgentRig, content: bytes) -> None:
    agent = rig.agent()
    checkpoint(rig, agent)
    path_of(rig).write_bytes(content)
    rig.step(seconds=1)

    answer = rig.ask("GET", f"/v1/agents/{agent}/audit/checkpoint")
    assert code_of(answer) == (503, "ledger_keys_unusable")


@pytest.mark.parametrize("setting", ["ledger_key_file", "ledger_checkpoint_dir"])
def test_files_that_cannot_be_written(tmp_path: Path, setting: str) -> None:
    """As on a full disk: the next request tries again, and no backup is needed."""
    clock = SteppedClock(NOW)
    (tmp_path / "file").touch()
    more: dict[str, Any] = {setting: tmp_path / "file" / "place"}
    with local_server(clock=clock, **more) as server:
        rig = AgentRig(server, clock)
        agent = rig.agent()
        answer = rig.ask("GET", f"/v1/agents/{agent}/audit/checkpoint")
        assert code_of(answer) == (503, "ledger_not_signed")
        assert answer.headers["Retry-After"]
        assert "put back" not in answer.json()["error"]["message"]
        (tmp_path / "file").unlink()
        assert checkpoint(rig, agent)["size"] == 1


def test_a_file_that_cannot_be_put_in_place_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "place" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_private(tmp_path / "place", b"content")
    assert [one.name for one in tmp_path.iterdir()] == ["place"]


def test_a_file_that_settings_name(tmp_path: Path) -> None:
    file, folder = tmp_path / "elsewhere" / "keys", tmp_path / "published"
    more: dict[str, Any] = {"ledger_key_file": file, "ledger_checkpoint_dir": folder}
    clock = SteppedClock(NOW)
    with local_server(clock=clock, **more) as server:
        rig = AgentRig(server, clock)
        agent = rig.agent()
        rig.step(seconds=300)
        found = list(folder.rglob("*.checkpoint"))
        assert file.exists()
        assert [one.name for one in found] == [f"{agent}.checkpoint"]
        assert Checkpoint.parse(found[0].read_text()).signer(keys_of(rig)) is not None


@pytest.mark.slow
def test_the_command_rotates_and_a_backup_has_the_keys(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data, copy, restored = (tmp_path / name for name in ("data", "copy", "restored"))
    assert run(["admin", "bootstrap", "--data", str(data)]) == 0
    keys = []
    for _ in range(2):
        capfd.readouterr()
        assert run(["admin", "rotate-ledger-key", "--data", str(data)]) == 0
        keys.append(VerifierKey.parse(capfd.readouterr().out))
    assert keys[0].name == keys[1].name
    assert keys[0] != keys[1]
    assert run(["admin", "backup", str(copy), "--data", str(data)]) == 0
    assert run(["admin", "restore", str(copy), str(restored)]) == 0
    original = (data / "server" / NAME).read_bytes()
    assert (restored / "server" / NAME).read_bytes() == original
    assert stat.S_IMODE((restored / "server" / NAME).stat().st_mode) == 0o600
    elsewhere = Settings(data=data, ledger_key_file=tmp_path / "k")
    assert elsewhere.ledger_key_file == tmp_path / "k"
