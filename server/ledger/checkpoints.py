"""Signed checkpoints of logs, and the files of the last ones.

The file of a log has the largest head that was signed, whether it was published or only returned
to a client. The server never signs a head that contradicts it, even if the database contains one.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from novaql.fast_dataclass import dataclass
from novaql.ledger import Checkpoint, InvalidNote, VerifierKey, checkpoint_body
from novaql.server.clock import rfc3339
from novaql.server.crypto.sealing import write_private
from novaql.server.db.engine import StateDatabase
from novaql.server.db.unit import Unit
from novaql.server.ledger.keys import not_signed, open_keys
from novaql.server.ledger.service import Head, LedgerDamaged, head, log_of
from novaql.server.ledger.tables import LedgerLog
from novaql.server.settings import Settings


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed checkpoint of the current log."""

    head: Head
    origin: str
    key: VerifierKey
    note: str


@contextmanager
def signing(
    units: Callable[[], AbstractContextManager[Unit]],
    settings: Settings,
    database: StateDatabase,
    tenant_id: str,
    log_id: str,
) -> Iterator[tuple[Unit, LedgerLog, Signed]]:
    """Sign the current head of a log, and record it in the log's file. The block runs in the
    transaction that read the log, and must be short: other signers of the tenant wait for it.

    The transaction begins after the file was read, so it sees each entry that the file covers.
    Raises `NotFound`, and `LedgerDamaged` if the log does not continue the recorded head.
    """
    with units() as unit:
        log_of(unit, log_id)  # no file for a log that does not exist
    keys = open_keys(settings, database, unit.now())
    with _exclusive(checkpoint_file(settings, tenant_id, log_id).parent):
        signed_before = signed_checkpoint(settings, tenant_id, log_id)
        with units() as unit:
            log = log_of(unit, log_id)
            if signed_before is not None:
                _check_continues(unit, log, signed_before)
            found = head(unit, log)
            body = checkpoint_body(keys.origin(log.id), found.size, found.root, rfc3339(unit.now()))
            signed = Signed(found, keys.origin(log.id), keys.current, keys.sign(body))
            if signed_before is None or signed_before.size < found.size:
                # Before anyone sees it: the server signs nothing that contradicts it.
                _remember(checkpoint_file(settings, tenant_id, log_id), signed)
            yield unit, log, signed


def _remember(path: Path, signed: Signed) -> None:
    try:
        write_private(path, signed.note.encode())
    except OSError as problem:
        raise not_signed(path, problem) from None


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Lock a folder against other threads and processes."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as problem:
        raise not_signed(folder, problem) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def checkpoint_file(settings: Settings, tenant_id: str, log: str) -> Path:
    """Return the path of the last signed checkpoint of a log."""
    folder = settings.ledger_checkpoint_dir or settings.data / "server" / "ledger"
    return folder / tenant_id / f"{log}.checkpoint"


def signed_note_of(settings: Settings, tenant_id: str, log: str) -> str | None:
    """Return the last signed checkpoint of a log as text."""
    path = checkpoint_file(settings, tenant_id, log)
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        raise LedgerDamaged(f"the file {path.name} of its last checkpoint is damaged") from None


def signed_checkpoint(settings: Settings, tenant_id: str, log: str) -> Checkpoint | None:
    """Return the last signed checkpoint of a log."""
    note = signed_note_of(settings, tenant_id, log)
    try:
        return None if note is None else Checkpoint.parse(note)
    except InvalidNote:
        name = checkpoint_file(settings, tenant_id, log).name
        raise LedgerDamaged(f"the file {name} of its last checkpoint is damaged") from None


def _check_continues(unit: Unit, log: LedgerLog, before: Checkpoint) -> None:
    if before.size > log.size:
        raise LedgerDamaged(
            f"its signed checkpoint covers {before.size} entries, and it has {log.size}"
        )
    if head(unit, log, before.size).root != before.root:
        raise LedgerDamaged(
            f"its first {before.size} entries are not those of its signed checkpoint"
        )
