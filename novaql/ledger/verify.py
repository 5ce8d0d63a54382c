"""Verify an exported log: each entry, the signed checkpoint, and a checkpoint of an earlier time.

An export is JSON lines (`GET /v1/agents/{id}/audit/export`):

    {"ledger": "novaql-ledger/1", "origin": "…"}
    {"index": 0, "leaf": "…", "leaf_hash": "…"}       one for each entry; `leaf` is its exact text
    {"checkpoint": "…"}                                the signed note, at the end

A log that was rewritten as a whole is consistent, and so is a log that lost its newest entries.
Only a checkpoint that the verifier saved earlier detects these.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from novaql.errors import NovaqlError
from novaql.fast_dataclass import dataclass
from novaql.ledger.notes import Checkpoint, InvalidNote, VerifierKey
from novaql.ledger.tree import RunningRoot, leaf_hash

FORMAT = "novaql-ledger/1"
"""The value of `ledger` in the first line."""


class LedgerFault(NovaqlError):
    """The log was changed, or is not the log to which the keys and the saved checkpoint belong.

    index  of the first bad entry; None: unknown
    """

    def __init__(self, message: str, index: int | None = None) -> None:
        super().__init__(message)
        self.index = index


@dataclass(frozen=True, slots=True)
class Verified:
    """The outcome of a verification without faults.

    checkpoint  of the export
    key         that signed it
    saved       the earlier checkpoint; None: none was given, and removed entries are not detected
    """

    checkpoint: Checkpoint
    key: VerifierKey
    saved: Checkpoint | None


def verify_export(
    lines: Iterable[bytes],
    keys: Sequence[VerifierKey],
    saved: Checkpoint | None = None,
    *,
    wanted: str | None = None,
) -> Verified:
    """Verify an export. Raises `LedgerFault` with the first fault.

    keys   that the verifier trusts: first the current one, of which the export must have a
           signature; then older ones, for the saved checkpoint
    saved  the last checkpoint that the verifier has seen
    wanted the origin that the log must have; None: any, of which a checkpoint is signed
    """
    if saved is not None and saved.signer(keys) is None:
        raise LedgerFault("the saved checkpoint has no valid signature of a given key")
    rows = _rows(lines)
    origin = _origin(next(rows, None))
    check_origin(origin, wanted)
    if saved is not None and saved.origin != origin:
        raise LedgerFault(
            f"the export is of the log {origin}, the saved checkpoint of {saved.origin}"
        )
    running = RunningRoot()
    saved_root: bytes | None = running.root if saved is not None and not saved.size else None
    checkpoint = None
    for row in rows:
        if checkpoint is not None:
            raise LedgerFault("the export continues after its checkpoint")
        if "checkpoint" in row:
            checkpoint = _checkpoint(row["checkpoint"])
            continue
        running.add(_leaf(row, running.size, origin))
        if saved is not None and running.size == saved.size:
            saved_root = running.root
    if saved is not None:
        _compare_saved(saved, saved_root, running.size)
    if checkpoint is None:
        raise LedgerFault("the export has no checkpoint at its end: it is cut off, or not signed")
    key = checkpoint.signer(keys[:1])
    if key is None:
        raise LedgerFault("the checkpoint of the export has no valid signature of the first key")
    _compare_head(checkpoint, origin, running, saved)
    return Verified(checkpoint, key, saved)


def check_origin(origin: str, wanted: str | None) -> None:
    """Raise `LedgerFault` for the log of another agent or server."""
    if wanted is not None and origin != wanted:
        raise LedgerFault(f"this is of the log {origin}, not of {wanted}")


def _compare_saved(saved: Checkpoint, root: bytes | None, size: int) -> None:
    if root is None:
        raise LedgerFault(
            f"the log is truncated: the saved checkpoint covers {saved.size} entries, "
            f"the export has {size}, so entries {size} to {saved.size - 1} were removed",
            size,
        )
    if root != saved.root:
        raise LedgerFault(
            f"the log was rewritten: its first {saved.size} entries contradict the root of the "
            "saved checkpoint"
        )


def _compare_head(
    checkpoint: Checkpoint, origin: str, running: RunningRoot, saved: Checkpoint | None
) -> None:
    if checkpoint.origin != origin:
        raise LedgerFault(f"the checkpoint is of another log, {checkpoint.origin}")
    size = running.size
    if checkpoint.size > size:
        raise LedgerFault(
            f"the log is truncated: its checkpoint covers {checkpoint.size} entries, the export "
            f"has {size}, so entries {size} to {checkpoint.size - 1} were removed",
            size,
        )
    if checkpoint.size < size:
        raise LedgerFault(
            f"the checkpoint covers only {checkpoint.size} of {size} entries", checkpoint.size
        )
    if checkpoint.root != running.root:
        where = ""
        if saved is not None:
            where = f"; the first {saved.size} entries are those of the saved checkpoint"
        raise LedgerFault(f"the log was rewritten: its entries contradict the signed root{where}")


def _rows(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise LedgerFault(f"line {number} of the export is no JSON object")
        yield row


def _origin(first: dict[str, Any] | None) -> str:
    if first is None or first.get("ledger") != FORMAT or not isinstance(first.get("origin"), str):
        raise LedgerFault(f"this is no export of a log: its first line does not name {FORMAT}")
    return str(first["origin"])


def _checkpoint(note: object) -> Checkpoint:
    if not isinstance(note, str):
        raise LedgerFault("the server signed no checkpoint for this export: its log is damaged")
    try:
        return Checkpoint.parse(note)
    except InvalidNote as problem:
        raise LedgerFault(f"the checkpoint of the export is damaged: {problem}") from None


def _leaf(row: dict[str, Any], index: int, origin: str) -> bytes:
    """Return the hash of an entry after its checks."""
    found = row.get("index")
    if found != index:
        raise LedgerFault(
            f"entry {index} is missing or at another place: entry {found} is there", index
        )
    text = row.get("leaf")
    if not isinstance(text, str):
        raise LedgerFault(f"entry {index} has no text", index)
    computed = leaf_hash(text.encode("utf-8", "surrogatepass"))
    if base64.b64encode(computed).decode() != row.get("leaf_hash"):
        raise LedgerFault(f"entry {index} was changed: its text does not match its hash", index)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise LedgerFault(f"entry {index} was changed: its text is no JSON object", index)
    if content.get("index") != index:
        raise LedgerFault(
            f"entry {index} was swapped: its text is that of entry {content.get('index')}",
            index,
        )
    if content.get("log") != origin.rpartition("/")[2]:
        raise LedgerFault(f"entry {index} is of another log, {content.get('log')}", index)
    return computed
