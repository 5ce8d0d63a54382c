"""`novaql ledger verify`: what was done to a log is named."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.cli.main import run
from novaql.ledger.canonical import canonical_json
from novaql.ledger.entry_proof import proof_text, verify_entry_proof
from novaql.ledger.notes import Checkpoint, VerifierKey, checkpoint_body, public_key, signed_note
from novaql.ledger.tree import RunningRoot, inclusion_ranges, leaf_hash
from novaql.ledger.verify import LedgerFault, verify_export
from tests.support.repository.loaded_modules import HEAVY, modules_after

SEED = bytes(range(32))
KEY = VerifierKey("novaql-1", public_key(SEED))
ORIGIN = "novaql-1/agt_1"
Rows = list[dict[str, Any]]


def entry(index: int, **data: Any) -> dict[str, Any]:
    leaf = canonical_json({"index": index, "log": "agt_1", "data": data}).decode()
    return {"index": index, "leaf": leaf, "leaf_hash": hashed(leaf)}


def hashed(leaf: str) -> str:
    return base64.b64encode(leaf_hash(leaf.encode())).decode()


def note_of(entries: Rows, seed: bytes = SEED, origin: str = ORIGIN) -> str:
    running = RunningRoot()
    for one in entries:
        running.add(leaf_hash(one["leaf"].encode()))
    body = checkpoint_body(origin, running.size, running.root, "2026-04-01T12:00:00Z")
    return signed_note(body, KEY.name, seed)


ENTRIES = [entry(index, text=f"entry {index}") for index in range(10)]


def export(entries: Rows, note: str | None = None) -> list[bytes]:
    first = {"ledger": "novaql-ledger/1", "origin": ORIGIN}
    rows = [first, *entries, {"checkpoint": note_of(entries) if note is None else note}]
    return [json.dumps(row).encode() + b"\n" for row in rows]


def test_a_whole_log_is_ok() -> None:
    saved = Checkpoint.parse(note_of(ENTRIES[:7]))

    assert verify_export(export(ENTRIES), [KEY]).checkpoint.size == 10
    assert verify_export(export(ENTRIES), [KEY], saved).saved == saved
    assert verify_export(export([]), [KEY]).checkpoint.size == 0


def changed_byte(rows: Rows) -> Rows:
    return [*rows[:4], {**rows[4], "leaf": rows[4]["leaf"].replace("entry", "entrx")}, *rows[5:]]


def swapped(rows: Rows) -> Rows:
    return [*rows[:4], rows[5], rows[4], *rows[6:]]


def swapped_texts(rows: Rows) -> Rows:
    four = {**rows[5], "index": 4}
    five = {**rows[4], "index": 5}
    return [*rows[:4], four, five, *rows[6:]]


def without_one(rows: Rows) -> Rows:
    return [*rows[:4], *rows[5:]]


def rewritten(rows: Rows) -> Rows:
    return [*rows[:4], entry(4, text="another"), *rows[5:]]


@pytest.mark.parametrize(
    ("change", "message", "index"),
    [
        (changed_byte, "entry 4 was changed", 4),
        (swapped, "entry 4 is missing or at another place: entry 5", 4),
        (swapped_texts, "entry 4 was swapped", 4),
        (without_one, "entry 4 is missing", 4),
        (rewritten, "contradict the signed root", None),
        (lambda rows: rows[:8], "truncated: its checkpoint covers 10 entries", 8),
        (lambda rows: [], "truncated", 0),
    ],
)
def test_faults_without_a_saved_checkpoint(
    change: Callable[[Rows], Rows], message: str, index: int | None
) -> None:
    with pytest.raises(LedgerFault, match=message) as fault:
        verify_export(export(change(ENTRIES), note_of(ENTRIES)), [KEY])

    assert fault.value.index == index


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda rows: rows[:6],
            "truncated: the saved checkpoint covers 7 entries, the export has 6",
        ),
        (lambda rows: [], "truncated"),
        (rewritten, "rewritten: its first 7 entries contradict the root of the saved"),
        (lambda rows: [entry(n, text="new") for n in range(10)], "rewritten"),
    ],
)
def test_what_only_a_saved_checkpoint_shows(change: Callable[[Rows], Rows], message: str) -> None:
    """The server signed the changed log: it agrees with itself."""
    lines = export(change(ENTRIES))
    assert verify_export(lines, [KEY]).saved is None
    with pytest.raises(LedgerFault, match=message):
        verify_export(lines, [KEY], Checkpoint.parse(note_of(ENTRIES[:7])))


def test_what_is_no_export_of_this_log() -> None:
    other = bytes(range(1, 33))
    good = export(ENTRIES)
    faults = {
        "no valid signature": export(ENTRIES, note_of(ENTRIES, other)),
        "of another log": export(ENTRIES, note_of(ENTRIES, origin="novaql-1/agt_2")),
        "no checkpoint at its end": good[:-1],
        "continues after": [*good, good[-1]],
        "line 3 of the export is no JSON": [*good[:2], b"{", *good[3:]],
        "does not name": good[1:],
        "signed no checkpoint": [*good[:-1], b'{"checkpoint": null}'],
        "is damaged": [*good[:-1], b'{"checkpoint": "x"}'],
        "covers only 9 of 10": export(ENTRIES, note_of(ENTRIES[:9])),
    }
    for message, lines in faults.items():
        with pytest.raises(LedgerFault, match=message):
            verify_export(lines, [KEY])
    with pytest.raises(LedgerFault, match="saved checkpoint of novaql-1/agt_2"):
        verify_export(good, [KEY], Checkpoint.parse(note_of(ENTRIES, origin="novaql-1/agt_2")))
    with pytest.raises(LedgerFault, match="saved checkpoint has no valid signature"):
        verify_export(good, [KEY], Checkpoint.parse(note_of(ENTRIES, other)))


def test_the_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file, last = tmp_path / "export.jsonl", tmp_path / "last"
    file.write_bytes(b"".join(export(ENTRIES)))
    last.write_text(note_of(ENTRIES[:7]))

    assert run(["ledger", "verify", str(file), "--key", KEY.text]) == 0
    shown = capfd.readouterr()
    assert "ok: 10 entries of novaql-1/agt_1" in shown.out
    assert "truncation cannot be detected" in shown.err
    assert run(["ledger", "verify", str(file), "--key", KEY.text, "--checkpoint", str(last)]) == 0
    shown = capfd.readouterr()
    assert "begins with the 7 entries" in shown.out
    assert shown.err == ""
    file.write_bytes(b"".join(export(changed_byte(ENTRIES), note_of(ENTRIES))))
    assert run(["ledger", "verify", str(file), "--key", KEY.text]) == 1
    assert "error: entry 4 was changed" in capfd.readouterr().err
    assert run(["ledger", "verify", str(file), "--key", "no key"]) == 1
    assert run(["ledger", "verify", str(file)]) == 2


def proof_of(index: int) -> str:
    """The proof of an entry in the tree of all of them."""
    leaves = [leaf_hash(one["leaf"].encode()) for one in ENTRIES]
    hashes = []
    for begin, end in inclusion_ranges(index, len(leaves)):
        part = RunningRoot()
        for leaf in leaves[begin:end]:
            part.add(leaf)
        hashes.append(part.root)
    return proof_text(index, ENTRIES[index]["leaf"].encode(), hashes, NOTE)


def test_the_proof_of_one_entry(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for index in range(10):
        found = verify_entry_proof(proof_of(index), [KEY])
        assert (found.index, found.leaf.decode()) == (index, ENTRIES[index]["leaf"])
    file = tmp_path / "entry.tlog-proof"
    file.write_text(proof_of(4), encoding="utf-8")
    assert run(["ledger", "verify-entry", str(file), "--key", KEY.text]) == 0
    assert capfd.readouterr().out == f"{ENTRIES[4]['leaf']}\n"
    file.write_text(proof_of(4).replace("index 4", "index 5"), encoding="utf-8")
    assert run(["ledger", "verify-entry", str(file), "--key", KEY.text]) == 1
    assert "does not show that this is entry 5" in capfd.readouterr().err


@given(st.integers(0, len(note_of(ENTRIES)) + 700), st.integers(1, 127))
def test_a_changed_proof_fails_or_proves_the_same(place: int, bits: int) -> None:
    raw = bytearray(proof_of(4).encode())
    raw[place % len(raw)] ^= bits
    try:
        found = verify_entry_proof(raw.decode(), [KEY])
    except (LedgerFault, UnicodeDecodeError):
        return
    assert (found.index, found.leaf.decode()) == (4, ENTRIES[4]["leaf"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c2sp.org/tlog-proof@v1\n\n",
        proof_text(0, b"{}", [], "no note"),
        proof_text(0, b"{}", [], note_of(ENTRIES, bytes(range(1, 33)))),
        proof_text(99, b"{}", [], note_of(ENTRIES)),
        proof_text(0, b"{}", [], note_of(ENTRIES)).replace("index 0", "index 00"),
        proof_text(0, b"{}", [], note_of(ENTRIES)).replace("extra ", "extra !"),
    ],
)
def test_what_is_no_proof_of_an_entry(text: str) -> None:
    with pytest.raises(LedgerFault):
        verify_entry_proof(text, [KEY])


def test_the_verifier_loads_nothing_of_the_server() -> None:
    loaded = modules_after("import novaql.cli.ledger", whole=True)

    assert not [name for name in loaded if name.startswith("novaql.server")]
    assert loaded.isdisjoint({*HEAVY, "sqlalchemy", "httpx"})


def test_cryptography_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cryptography.exceptions", None)
    monkeypatch.setitem(__import__("sys").modules, "cryptography", None)
    with pytest.raises(ImportError, match=r"pip install 'novaql\[ledger\]'"):
        verify_export(export(ENTRIES, NOTE), [KEY])


NOTE = note_of(ENTRIES)


def test_a_text_that_is_nested_too_deep_is_a_fault() -> None:
    deep = "[" * 100_000
    rows = [*ENTRIES[:3], {"index": 3, "leaf": deep, "leaf_hash": hashed(deep)}]
    with pytest.raises(LedgerFault, match="entry 3 was changed"):
        verify_export(export(rows), [KEY])


def test_only_the_first_key_signs_an_export() -> None:
    old = bytes(range(1, 33))
    older = VerifierKey(KEY.name, public_key(old))
    forged, saved = note_of(ENTRIES, old), Checkpoint.parse(note_of(ENTRIES[:7], old))

    assert verify_export(export(ENTRIES), [KEY, older], saved).key == KEY
    with pytest.raises(LedgerFault, match="no valid signature of the first key"):
        verify_export(export(ENTRIES, forged), [KEY, older], saved)
