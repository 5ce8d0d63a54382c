"""The ledger over HTTP: entries, checkpoints, proofs and exports, verified without the server."""

from __future__ import annotations

import base64
import hashlib
import json
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from novaql.ledger.canonical import canonical_json
from novaql.ledger.entry_proof import verify_entry_proof
from novaql.ledger.notes import Checkpoint, VerifierKey
from novaql.ledger.tree import leaf_hash, verifies_inclusion
from novaql.ledger.verify import verify_export
from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock
from novaql.server.db.rows import Tenant
from novaql.server.db.unit import Actor, Origin
from novaql.server.jobs.job import as_system
from novaql.server.ledger.model import LONGEST_LEAF, bounded
from novaql.server.ledger.service import append, head, log_of
from novaql.server.ledger.tables import LedgerEntry, LedgerNode
from novaql.server.tuning import Tuning
from tests.support.peers.receiver import receiving
from tests.support.reference.consistency_proof import verifies_consistency
from tests.support.servers.agent_rig import NOW, AgentRig, code_of
from tests.support.servers.http_server import LocalServer, local_server
from tests.support.servers.state_databases import KINDS, state_database


@pytest.fixture(params=KINDS)
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AgentRig]:
    clock = SteppedClock(NOW)
    with (
        state_database(request.param, tmp_path) as database,
        local_server(
            clock=clock,
            database=database,
            tuning=Tuning(answer_at_once=1000),
            egress_allow="127.0.0.0/8",
            webhook_http=True,
        ) as server,
    ):
        yield AgentRig(server, clock)


def write(server: LocalServer, agent: str, *, count: int = 1, **data: Any) -> None:
    """Append entries in one transaction, as a domain does."""
    context = server.context
    tenant_id = context.access.default_principal.tenant_id
    with context.database.read(None) as session:
        tenant = session.execute(select(Tenant).where(Tenant.id == tenant_id)).scalar_one()
        session.expunge(tenant)
    scoped = as_system(context, tenant, "tests")
    with scoped.unit(Actor("user", "usr_1", "Ada"), Origin("req_1"), writes=True) as unit:
        for number in range(count):
            append(unit, agent, "test.entry", {"number": number, **data})


def grown(rig: AgentRig, size: int) -> str:
    agent = rig.agent()
    write(rig.server, agent, count=size - 1)
    return agent


@pytest.mark.slow
def test_checkpoints_beside_appends_and_publications_are_never_refused(rig: AgentRig) -> None:
    agent = grown(rig, 2)
    done = threading.Event()

    def ask() -> list[int]:
        sizes = []
        while not done.is_set():
            answer = rig.ask("GET", f"/v1/agents/{agent}/audit/checkpoint")
            assert answer.status_code == 200, answer.text
            sizes.append(answer.json()["size"])
        return sizes

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(ask) for _ in range(3)]
        try:
            for _ in range(8):
                write(rig.server, agent)
                rig.step(seconds=300)  # publishes
        finally:
            done.set()
        found = [reader.result() for reader in readers]
    assert all(sizes == sorted(sizes) for sizes in found)


def raw(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def exported(rig: AgentRig, agent: str) -> list[bytes]:
    answer = rig.ask("GET", f"/v1/agents/{agent}/audit/export", by="bob")
    assert answer.status_code == 200, answer.text
    return answer.content.splitlines(keepends=True)


def keys_of(rig: AgentRig) -> list[VerifierKey]:
    return [VerifierKey.parse(one["vkey"]) for one in rig.get("/v1/ledger/keys")["data"]]


def test_entries_are_canonical_json_served_as_it_is_hashed(rig: AgentRig) -> None:
    agent = rig.agent()
    write(rig.server, agent, note='Ünï\n"quoted" ﷐', score=0.1)
    first, second = rig.entries(agent)

    assert (first["index"], second["index"]) == (0, 1)
    assert second["data"]["note"] == 'Ünï\n"quoted" ﷐'
    for entry in (first, second):
        content = json.loads(entry["leaf"])
        assert canonical_json(content).decode() == entry["leaf"]
        assert raw(entry["leaf_hash"]) == leaf_hash(entry["leaf"].encode())
        assert (content["log"], content["index"]) == (agent, entry["index"])
        assert {name: content[name] for name in ("kind", "actor", "data")} == {
            name: entry[name] for name in ("kind", "actor", "data")
        }
    assert first["actor"] == rig.users["ada"]
    assert first["request_id"].startswith("req_")


def test_pages_and_filters(rig: AgentRig) -> None:
    agent = grown(rig, 7)
    path = f"/v1/agents/{agent}/audit?limit=3"
    seen: list[int] = []
    cursor = ""
    while True:
        page = rig.get(path + cursor)
        seen += [one["index"] for one in page["data"]]
        if "next_cursor" not in page:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == list(range(7))
    registered = rig.get(f"/v1/agents/{agent}/audit?kind=agent.registered")["data"]
    assert [one["index"] for one in registered] == [0]
    assert code_of(rig.ask("GET", "/v1/agents/agt_none/audit")) == (404, "agent_not_found")


@pytest.mark.slow
def test_every_inclusion_and_every_two_sizes_verify(rig: AgentRig) -> None:
    size = 13
    agent = grown(rig, size)
    path = f"/v1/agents/{agent}/audit/proof"
    leaves = [raw(one["leaf_hash"]) for one in rig.entries(agent)]
    roots: dict[int, bytes] = {}
    for of in range(1, size + 1):
        for index in range(of):
            proof = rig.get(f"{path}?index={index}&size={of}")
            roots[of] = raw(proof["root"])
            assert raw(proof["leaf_hash"]) == leaves[index]
            hashes = [raw(one) for one in proof["hashes"]]
            assert verifies_inclusion(leaves[index], index, of, hashes, roots[of])
    for new in range(1, size + 1):
        for old in range(1, new + 1):
            proof = rig.get(f"{path}?from={old}&to={new}")
            assert raw(proof["from_root"]) == roots[old]
            hashes = [raw(one) for one in proof["hashes"]]
            assert verifies_consistency(old, new, hashes, roots[old], raw(proof["root"]))
    assert [rig.get(f"{path}{query}")["index"] for query in ("", "?size=3")] == [size - 1, 2]
    assert rig.get(f"{path}?index=0")["size"] == rig.get(f"{path}?from=1")["size"] == size


def test_one_entry_with_its_proof_is_verified_without_the_server(rig: AgentRig) -> None:
    agent = grown(rig, 9)
    entries = rig.entries(agent)
    path = f"/v1/agents/{agent}/audit/entry-proof"
    for index in range(9):
        answer = rig.ask("GET", f"{path}?index={index}", by="bob")
        found = verify_entry_proof(answer.text, keys_of(rig))
        assert (found.index, found.leaf.decode()) == (index, entries[index]["leaf"])
        assert found.checkpoint.origin.endswith(f"/{agent}")
    assert verify_entry_proof(rig.ask("GET", path).text, keys_of(rig)).index == 8
    for query in ("index=9", "index=-1", "size=3"):
        assert code_of(rig.ask("GET", f"{path}?{query}")) == (400, "validation_error")


def test_sizes_that_are_none(rig: AgentRig) -> None:
    agent = grown(rig, 5)
    path = f"/v1/agents/{agent}/audit/proof"
    for query in (
        *("index=0&size=6", "index=5&size=5", "index=5", "index=0&size=0", "from=1&to=6"),
        *("from=6", "from=0&to=5", "from=4&to=3", "index=0&from=1", "index=0&to=3"),
        *("from=1&size=5", "size=0", "to=5", "index=-1", "index=x", "index=0&index=1", "more=1"),
    ):
        answer = rig.ask("GET", f"{path}?{query}")
        assert code_of(answer) == (400, "validation_error"), query


def test_a_checkpoint_is_signed_by_the_listed_key(rig: AgentRig) -> None:
    agent = grown(rig, 5)
    found = rig.get(f"/v1/agents/{agent}/audit/checkpoint", by="bob")
    (key,) = keys_of(rig)
    checkpoint = Checkpoint.parse(found["checkpoint"])

    assert checkpoint.signer([key]) == key
    assert found["vkey"] == key.text
    assert (checkpoint.origin, checkpoint.size) == (found["origin"], found["size"])
    assert (found["origin"], found["size"]) == (f"{key.name}/{agent}", 5)
    assert checkpoint.root == raw(found["root"])
    assert checkpoint.time == "2026-04-01T12:00:00Z"
    (listed,) = rig.get("/v1/ledger/keys")["data"]
    assert (listed["valid_from"], listed["valid_until"]) == ("2026-04-01T12:00:00Z", None)


@pytest.mark.slow
def test_an_export_is_verified_without_the_server(rig: AgentRig) -> None:
    agent = grown(rig, 1203)
    saved = Checkpoint.parse(rig.get(f"/v1/agents/{agent}/audit/checkpoint")["checkpoint"])
    write(rig.server, agent, count=5)
    lines = exported(rig, agent)
    found = verify_export(lines, keys_of(rig), saved)

    assert (found.checkpoint.size, len(lines)) == (1208, 1210)
    first = json.loads(lines[1])
    assert first["leaf"] == rig.entries(agent)[0]["leaf"]


@pytest.mark.slow
def test_an_append_and_a_proof_read_few_rows(rig: AgentRig) -> None:
    agent = grown(rig, 1000)
    with rig.server.context.database.read(None) as session:
        entries = session.execute(select(func.count()).select_from(LedgerEntry)).scalar_one()
        nodes = session.execute(select(func.count()).select_from(LedgerNode)).scalar_one()
    proof = rig.get(f"/v1/agents/{agent}/audit/proof?index=500")

    assert (entries, nodes) == (1000, 994)  # 500 + 250 + 125 + 62 + 31 + 15 + 7 + 3 + 1
    assert len(proof["hashes"]) == 10


@pytest.mark.slow
def test_200_parallel_appends_are_one_contiguous_log(rig: AgentRig) -> None:
    agent = rig.agent()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: write(rig.server, agent), range(200)))
    lines = exported(rig, agent)

    assert verify_export(lines, keys_of(rig)).checkpoint.size == 201
    with rig.server.context.database.read(None) as session:
        found = session.execute(select(LedgerEntry.seq).order_by(LedgerEntry.seq)).scalars()
        assert list(found) == list(range(201))


def test_logs_that_begin_at_once_are_one(rig: AgentRig) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: write(rig.server, "agt_new"), range(16)))

    assert [one["index"] for one in rig.entries("agt_new")] == list(range(16))


def test_an_entry_of_a_transaction_that_fails_was_never_there(rig: AgentRig) -> None:
    agent = rig.agent()
    with pytest.raises(ValueError, match="not exact"):
        write(rig.server, agent, count=3, big=2**60 + 1)
    write(rig.server, agent)

    assert rig.kinds(agent) == ["agent.registered", "test.entry"]


def test_secrets_and_long_texts_are_not_in_entries() -> None:
    found = bounded({"api_key": "k", "inner": {"password": "p"}, "text": "x" * 5000})
    assert (found["api_key"], found["inner"]) == ("[hidden]", {"password": "[hidden]"})
    digest = hashlib.sha256(b"x" * 5000).hexdigest()
    assert found["text"] == f"{'x' * 1000}… (5000 characters, sha256 {digest})"
    large = bounded({str(number): "x" * 900 for number in range(100)})
    assert large.keys() == {"too_large", "sha256"}
    assert large["too_large"] > LONGEST_LEAF


@pytest.mark.slow
def test_checkpoints_leave_the_server_when_a_log_grew(rig: AgentRig) -> None:
    with receiving() as receiver:
        rig.post("/v1/webhooks", {"url": receiver.url, "events": ["ledger.checkpoint"]})
        agent = grown(rig, 5)
        rig.step(seconds=299)
        assert receiver.heard == []
        rig.step(seconds=1)
        rig.step(seconds=3600)  # nothing was appended since
        (request,) = receiver.heard
        data = json.loads(request.body)["data"]
        write(rig.server, agent)
        rig.step(seconds=300)
        assert len(receiver.heard) == 2
    checkpoint = Checkpoint.parse(data["checkpoint"])
    assert (data["agent_id"], data["size"], checkpoint.size) == (agent, 5, 5)
    assert checkpoint.signer([VerifierKey.parse(data["vkey"])]) is not None
    settings = rig.server.context.settings
    tenant = rig.server.context.access.default_principal.tenant_id
    file = settings.data / "server" / "ledger" / tenant / f"{agent}.checkpoint"
    saved = Checkpoint.parse(file.read_text())
    assert saved.size == 6
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    shown = rig.get(f"/v1/agents/{agent}/audit/checkpoint")
    assert (shown["published_size"], shown["size"]) == (6, 6)
    assert verify_export(exported(rig, agent), keys_of(rig), checkpoint).saved == checkpoint


def test_the_head_of_any_size_needs_no_rebuild(rig: AgentRig) -> None:
    agent = grown(rig, 40)
    context = rig.server.context.scoped(rig.server.context.access.default_principal)
    with context.unit(Actor("user", "u", "u"), Origin("req_1"), writes=False) as unit:
        log = log_of(unit, agent)
        roots = [head(unit, log, size).root for size in range(41)]

    assert len(set(roots)) == 41


def test_readers_see_all_of_it_and_other_tenants_nothing(rig: AgentRig) -> None:
    agent = rig.agent()
    rig.tokens["reader"] = rig.server.tokens[Role.READ_ONLY]
    for path in ("", "/checkpoint", "/proof?index=0", "/entry-proof", "/export"):
        assert rig.ask("GET", f"/v1/agents/{agent}/audit{path}", by="reader").status_code == 200
        unknown = rig.ask("GET", f"/v1/agents/agt_none/audit{path}", by="reader")
        assert code_of(unknown) == (404, "agent_not_found")
