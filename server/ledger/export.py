"""The export of a log as JSON lines, piece by piece, for `novaql ledger verify`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import orjson
from sqlalchemy import select

from novaql.ledger import FORMAT
from novaql.server.db.unit import Unit
from novaql.server.ledger.checkpoints import published_note, signed_head
from novaql.server.ledger.keys import LedgerKeys
from novaql.server.ledger.model import readable
from novaql.server.ledger.schema import text_of
from novaql.server.ledger.service import LedgerDamaged, log_of
from novaql.server.ledger.tables import LedgerEntry

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Plan:
    """The log to export. Later entries are not part of the export.

    note    the checkpoint at the end: of the current log, or the published one if the server does
            not sign the current log; None: there is none
    signed  whether the server signs the current log
    """

    log: str
    origin: str
    size: int
    note: str | None
    signed: bool


def planned(unit: Unit, agent_id: str, keys: LedgerKeys) -> Plan:
    """Decide what to export. A damaged log is exported too, so that a verifier names the damage."""
    log = log_of(unit, agent_id)
    signed = True
    try:
        note: str | None = signed_head(unit, log, keys).note
    except LedgerDamaged:
        note, signed = _published(unit, log.id), False
    return Plan(log.id, keys.origin(log.id), log.size, note, signed)


def pieces(plan: Plan, read: Callable[[], AbstractContextManager[Unit]]) -> Iterator[bytes]:
    """Generate the lines. Each piece is read in a short transaction; entries never change."""
    yield _line({"ledger": FORMAT, "origin": plan.origin})
    last = -1
    while True:
        wanted = (
            select(LedgerEntry.seq, LedgerEntry.leaf, LedgerEntry.leaf_hash)
            .where(LedgerEntry.log == plan.log, LedgerEntry.seq > last)
            .where(LedgerEntry.seq < plan.size)
            .order_by(LedgerEntry.seq)
            .limit(_AT_ONCE)
        )
        with read() as unit:
            rows = unit.session.execute(wanted).all()
        yield b"".join(
            _line({"index": seq, "leaf": readable(leaf), "leaf_hash": text_of(raw)})
            for seq, leaf, raw in rows
        )
        if len(rows) < _AT_ONCE:
            break
        last = rows[-1].seq
    yield _line({"checkpoint": plan.note})


def _published(unit: Unit, log: str) -> str | None:
    try:
        return published_note(unit.settings, unit.tenant_id, log)
    except LedgerDamaged:
        return None


def _line(row: dict[str, object]) -> bytes:
    return orjson.dumps(row) + b"\n"
