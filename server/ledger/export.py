"""The export of a log as JSON lines, piece by piece, for `novaql ledger verify`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import orjson
from sqlalchemy import select

from novaql.fast_dataclass import dataclass
from novaql.ledger import FORMAT
from novaql.server.db.unit import Unit
from novaql.server.ledger.checkpoints import signed_note_of, signing
from novaql.server.ledger.keys import open_keys
from novaql.server.ledger.model import readable
from novaql.server.ledger.schema import text_of
from novaql.server.ledger.service import LedgerDamaged, log_of
from novaql.server.ledger.tables import LedgerEntry
from novaql.server.tenants.context import ServerContext

_AT_ONCE = 500
Read = Callable[[], AbstractContextManager[Unit]]
"""Begins a transaction that reads."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The log to export. Later entries are not part of the export.

    note    the checkpoint at the end: of the current log, or the last signed one if the server does
            not sign the current log; None: there is none
    """

    log: str
    origin: str
    size: int
    note: str | None


def planned(read: Read, context: ServerContext, agent_id: str) -> Plan:
    """Decide what to export. A damaged log is exported too, so that a verifier names the damage."""
    where = (context.settings, context.database, context.tenant_id, agent_id)
    try:
        with signing(read, *where) as (_, log, signed):
            return Plan(log.id, signed.origin, log.size, signed.note)
    except LedgerDamaged:
        keys = open_keys(context.settings, context.database, context.clock.now())
        with read() as unit:
            log = log_of(unit, agent_id)
            return Plan(log.id, keys.origin(log.id), log.size, _signed_before(unit, log.id))


def pieces(plan: Plan, read: Read) -> Iterator[bytes]:
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


def _signed_before(unit: Unit, log: str) -> str | None:
    try:
        return signed_note_of(unit.settings, unit.tenant_id, log)
    except LedgerDamaged:
        return None


def _line(row: dict[str, object]) -> bytes:
    return orjson.dumps(row) + b"\n"
