"""Signed checkpoints of logs, and the files of the last published ones.

The server signs no checkpoint that contradicts the published one, whatever the database says.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from novaql.ledger import Checkpoint, InvalidNote, VerifierKey, checkpoint_body
from novaql.server.clock import rfc3339
from novaql.server.crypto.sealing import write_private
from novaql.server.db.unit import Unit
from novaql.server.ledger.keys import LedgerKeys
from novaql.server.ledger.service import Head, LedgerDamaged, head
from novaql.server.ledger.tables import LedgerLog
from novaql.server.settings import Settings


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed checkpoint of the current log."""

    head: Head
    origin: str
    key: VerifierKey
    note: str


def signed_head(unit: Unit, log: LedgerLog, keys: LedgerKeys) -> Signed:
    """Sign the current head of a log. Raises `LedgerDamaged` if it does not continue the published
    checkpoint."""
    published = published_checkpoint(unit.settings, unit.tenant_id, log.id)
    if published is not None:
        _check_continues(unit, log, published)
    found = head(unit, log)
    body = checkpoint_body(keys.origin(log.id), found.size, found.root, rfc3339(unit.now()))
    return Signed(found, keys.origin(log.id), keys.current, keys.sign(body))


def checkpoint_file(settings: Settings, tenant_id: str, log: str) -> Path:
    """Return the path of the last published checkpoint of a log."""
    folder = settings.ledger_checkpoint_dir or settings.data / "server" / "ledger"
    return folder / tenant_id / f"{log}.checkpoint"


def published_note(settings: Settings, tenant_id: str, log: str) -> str | None:
    """Return the last published checkpoint of a log as text."""
    path = checkpoint_file(settings, tenant_id, log)
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        raise LedgerDamaged(f"the file {path.name} of its last checkpoint is damaged") from None


def published_checkpoint(settings: Settings, tenant_id: str, log: str) -> Checkpoint | None:
    """Return the last published checkpoint of a log."""
    note = published_note(settings, tenant_id, log)
    try:
        return None if note is None else Checkpoint.parse(note)
    except InvalidNote:
        name = checkpoint_file(settings, tenant_id, log).name
        raise LedgerDamaged(f"the file {name} of its last checkpoint is damaged") from None


def write_checkpoint(settings: Settings, tenant_id: str, log: str, note: str) -> None:
    """Write the file of a log's checkpoint, whole or not at all."""
    write_private(checkpoint_file(settings, tenant_id, log), note.encode())


def _check_continues(unit: Unit, log: LedgerLog, published: Checkpoint) -> None:
    if published.size > log.size:
        raise LedgerDamaged(
            f"its published checkpoint covers {published.size} entries, and it has {log.size}"
        )
    if head(unit, log, published.size).root != published.root:
        raise LedgerDamaged(
            f"its first {published.size} entries are not those of its published checkpoint"
        )
