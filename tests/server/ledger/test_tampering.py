"""Someone with write access to the database changes a log: `novaql ledger verify` names it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from novaql.cli.main import run
from novaql.ledger.notes import Checkpoint
from novaql.ledger.tree import Node, completed, leaf_hash, siblings_of
from novaql.server.clock import SteppedClock
from novaql.server.db.tables import Event
from novaql.server.ledger.checkpoints import checkpoint_file
from tests.server.ledger.test_ledger_api import grown, write
from tests.support.servers.agent_rig import NOW, AgentRig, code_of
from tests.support.servers.http_server import fresh_state, local_server

SIZE = 12
Change = Callable[[sqlite3.Connection], None]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[AgentRig]:
    clock = SteppedClock(NOW)
    with local_server(clock=clock, database=fresh_state(tmp_path)) as server:
        yield AgentRig(server, clock)


def change_database(rig: AgentRig, change: Change) -> None:
    path = rig.server.context.database.url.database
    assert path is not None
    with closing(sqlite3.connect(path)) as connection:
        change(connection)
        connection.commit()


def changed_byte(connection: sqlite3.Connection) -> None:
    connection.execute(
        "UPDATE ledger_entries SET leaf = "
        "CAST(replace(CAST(leaf AS TEXT), ':4}', ':9}') AS BLOB) WHERE seq = 5"
    )


def broken_byte(connection: sqlite3.Connection) -> None:
    """No text in UTF-8 any more."""
    connection.execute("UPDATE ledger_entries SET leaf = CAST(leaf || x'FF' AS BLOB) WHERE seq = 5")


def removed_newest(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM ledger_entries WHERE seq >= 9")


def shortened(connection: sqlite3.Connection) -> None:
    """As if the newest entries had never been there."""
    removed_newest(connection)
    connection.execute("UPDATE ledger_logs SET size = 9")
    connection.execute("DELETE FROM ledger_nodes WHERE (position + 1) << level > 9")


def swapped(connection: sqlite3.Connection) -> None:
    for old, new in ((5, -1), (6, 5), (-1, 6)):
        connection.execute("UPDATE ledger_entries SET seq = ? WHERE seq = ?", (new, old))


def emptied(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM ledger_entries")
    connection.execute("DELETE FROM ledger_nodes")
    connection.execute("UPDATE ledger_logs SET size = 0")


def rewritten(connection: sqlite3.Connection) -> None:
    """Another log of equal length, with all hashes computed anew."""
    rows = connection.execute("SELECT seq, leaf FROM ledger_entries ORDER BY seq").fetchall()
    nodes: dict[Node, bytes] = {}
    for seq, leaf in rows:
        text = leaf.replace(b"test.entry", b"fake.entry") if seq >= 3 else leaf
        digest = leaf_hash(text)
        needed = {node: nodes[node] for node in siblings_of(seq)}
        nodes |= {Node(0, seq): digest, **completed(seq, digest, needed)}
        connection.execute(
            "UPDATE ledger_entries SET leaf = ?, leaf_hash = ? WHERE seq = ?", (text, digest, seq)
        )
    for node, digest in nodes.items():
        connection.execute(
            "UPDATE ledger_nodes SET hash = ? WHERE level = ? AND position = ?", (digest, *node)
        )


FAULTS: dict[Change, str] = {
    changed_byte: "entry 5 was changed",
    broken_byte: "entry 5 was changed",
    removed_newest: "truncated: the saved checkpoint covers 12 entries, the export has 9",
    shortened: "truncated: the saved checkpoint covers 12 entries, the export has 9",
    swapped: "entry 5 was swapped",
    emptied: "truncated: the saved checkpoint covers 12 entries, the export has 0",
    rewritten: "rewritten: its first 12 entries contradict the root of the saved checkpoint",
}


class Verifier:
    """Someone outside, with a key and a checkpoint of an earlier time."""

    def __init__(self, rig: AgentRig, agent: str, folder: Path) -> None:
        self.rig, self.agent = rig, agent
        self.export, self.last = folder / "export.jsonl", folder / "last.checkpoint"
        found = rig.get(f"/v1/agents/{agent}/audit/checkpoint")
        self.last.write_text(found["checkpoint"], encoding="utf-8")
        self.key = found["vkey"]

    def verify(self, *, saved: bool = True) -> int:
        answer = self.rig.ask("GET", f"/v1/agents/{self.agent}/audit/export")
        assert answer.status_code == 200, answer.text
        self.export.write_bytes(answer.content)
        more = ["--checkpoint", str(self.last)] if saved else []
        return run(["ledger", "verify", str(self.export), "--key", self.key, *more])


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("change", FAULTS, ids=lambda change: str(change.__name__))
def test_what_was_done_is_named(
    rig: AgentRig,
    change: Change,
    published: bool,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    agent = grown(rig, SIZE)
    if published:
        rig.step(seconds=300)
    verifier = Verifier(rig, agent, tmp_path)
    assert verifier.verify() == 0
    capfd.readouterr()
    change_database(rig, change)

    assert verifier.verify() == 1
    assert f"error: {_prefix(FAULTS[change])}" in capfd.readouterr().err


def _prefix(fault: str) -> str:
    return (
        f"the log is {fault}"
        if fault.startswith("trunc")
        else (f"the log was {fault}" if fault.startswith("rewr") else fault)
    )


def test_without_a_checkpoint_a_shorter_log_looks_whole_and_the_command_says_so(
    rig: AgentRig, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    verifier = Verifier(rig, grown(rig, SIZE), tmp_path)
    change_database(rig, shortened)
    file_of(rig, verifier.agent).unlink()

    assert verifier.verify(saved=False) == 0
    assert "truncation cannot be detected" in capfd.readouterr().err
    assert verifier.verify() == 1


@pytest.mark.parametrize("change", [shortened, rewritten, emptied])
def test_the_server_signs_nothing_that_contradicts_what_it_published(
    rig: AgentRig, change: Change, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    agent = grown(rig, SIZE)
    rig.step(seconds=300)
    verifier = Verifier(rig, agent, tmp_path)
    change_database(rig, change)
    rig.step(seconds=1)

    refused = rig.ask("GET", f"/v1/agents/{agent}/audit/checkpoint")
    assert code_of(refused) == (503, "ledger_damaged")
    # The export has the published checkpoint at its end, so that a fault shows without a saved one.
    assert verifier.verify(saved=False) == 1
    assert "the log" in capfd.readouterr().err
    write(rig.server, agent)
    for _ in range(3):
        rig.step(seconds=700)
    with rig.server.context.database.read(None) as session:
        told = session.execute(select(Event).where(Event.type == "ledger.damaged")).scalars()
        assert [one.data["agent_id"] for one in told] == [agent]


def file_of(rig: AgentRig, agent: str) -> Path:
    """The file of the last signed head."""
    context = rig.server.context
    tenant_id = context.access.default_principal.tenant_id
    return checkpoint_file(context.settings, tenant_id, agent)


@pytest.mark.slow
@pytest.mark.parametrize("change", [shortened, rewritten, emptied])
def test_a_head_that_only_a_client_has_is_not_contradicted(rig: AgentRig, change: Change) -> None:
    """No checkpoint was published, but one was signed for a client, or is in a proof."""
    agent = grown(rig, SIZE)
    path, file, size = f"/v1/agents/{agent}/audit", file_of(rig, agent), 0
    for signs in ("checkpoint", "entry-proof", "export"):
        write(rig.server, agent)
        assert rig.ask("GET", f"{path}/{signs}").status_code == 200
        size = rig.get(f"{path}/proof")["size"]
        assert Checkpoint.parse(file.read_text()).size == size
    change_database(rig, change)
    for signs in ("checkpoint", "entry-proof"):
        assert code_of(rig.ask("GET", f"{path}/{signs}")) == (503, "ledger_damaged")
    rig.step(seconds=300)
    assert rig.get(f"/v1/agents/{agent}")["status"] == "active"
    assert Checkpoint.parse(file.read_text()).size == size


def test_a_damage_is_one_event_though_its_reason_changes(rig: AgentRig) -> None:
    agent = grown(rig, SIZE)
    rig.step(seconds=300)
    change_database(rig, shortened)
    for _ in range(4):
        write(rig.server, agent)  # the reason has the size
        rig.step(seconds=700)
    with rig.server.context.database.read(None) as session:
        found = session.execute(select(Event).where(Event.type == "ledger.damaged")).scalars().all()
    assert len(found) == 1


def test_an_action_that_a_damaged_log_cannot_record_does_not_happen(rig: AgentRig) -> None:
    agent = grown(rig, 15)

    def with_a_gap(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM ledger_entries WHERE seq = 14")

    change_database(rig, with_a_gap)
    refused = rig.ask("POST", f"/v1/agents/{agent}/stop", {"reason": "x"})

    assert code_of(refused) == (503, "ledger_damaged")
    assert "entries 14 to 14 are not complete" in refused.json()["error"]["message"]
    assert rig.get(f"/v1/agents/{agent}")["status"] == "active"
