"""Use cases of ledgers: append an entry, and prove what a log contains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, or_, select

from novaql.fast_dataclass import dataclass
from novaql.ledger import (
    Node,
    Range,
    completed,
    consistency_ranges,
    hash_of,
    inclusion_ranges,
    leaf_hash,
    nodes_of,
    siblings_of,
)
from novaql.server.clock import rfc3339
from novaql.server.db.engine import flushed_or
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, Unavailable, invalid, not_found
from novaql.server.http.pagination import Key, Page, Pager, equal_to
from novaql.server.ledger.model import leaf_of
from novaql.server.ledger.schema import LedgerQuery
from novaql.server.ledger.tables import LedgerEntry, LedgerLog, LedgerNode

JOB = "ledger.checkpoint"
KEYS = (Key(LedgerEntry.seq),)


class LedgerDamaged(Unavailable):
    """Rows of a log are missing, or contradict a published checkpoint."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the ledger is damaged: {reason}", code="ledger_damaged")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Entry:
    """An appended entry. `leaf` is its exact bytes."""

    index: int
    leaf: bytes
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """The size and the root of a log."""

    size: int
    root: bytes


def append(unit: Unit, agent_id: str, kind: str, data: Mapping[str, Any]) -> Entry:
    """Append an entry to the log of an agent, in the transaction of the action that it records.

    The row of the log is locked until the unit ends, so entries are numbered without gaps. The
    first entry creates the log. `data` is JSON without personal data; secrets in it are redacted,
    and long texts are cut. Raises `LedgerDamaged`.
    """
    log = _locked(unit, agent_id)
    index, now = log.size, unit.now()
    raw = leaf_of(log.id, index, rfc3339(now), kind, unit.actor.id, unit.origin.request_id, data)
    digest = leaf_hash(raw)
    nodes = completed(index, digest, hashes_of(unit, log.id, siblings_of(index)))
    log.size, log.updated_at = index + 1, now
    if log.due_at is None:
        log.due_at = now + timedelta(seconds=unit.settings.ledger_checkpoint_interval_s)
        unit.enqueue(JOB, key=log.id, run_at=log.due_at)
    unit.session.flush()
    entry = {"log": log.id, "seq": index, "at": now, "kind": kind}
    unit.insert(LedgerEntry, [{**entry, "leaf": raw, "leaf_hash": digest}])
    unit.insert(
        LedgerNode,
        [
            {"log": log.id, "level": node.level, "position": node.position, "hash": found}
            for node, found in nodes.items()
        ],
    )
    return Entry(index, raw, digest)


def is_full(unit: Unit, agent_id: str) -> bool:
    """Whether a log is at its limit of entries: then no new actions should begin. Entries about
    earlier actions can still be appended."""
    log = unit.find(LedgerLog, agent_id)
    return log is not None and 0 < unit.settings.max_ledger_entries <= log.size


def log_of(unit: Unit, agent_id: str) -> LedgerLog:
    """Load the log of an agent. Raises `NotFound` as for an unknown agent."""
    log = unit.find(LedgerLog, agent_id)
    if log is None:
        raise not_found("agent", agent_id, unit.tenant_name)
    return log


def find(unit: Unit, pages: Pager, agent_id: str, query: LedgerQuery) -> Page[LedgerEntry]:
    """A page of a log, oldest entry first."""
    log = log_of(unit, agent_id)
    wanted = select(LedgerEntry).where(
        LedgerEntry.log == log.id, *equal_to(LedgerEntry, query, "kind")
    )
    return pages.page(unit, wanted, KEYS, query)


def head(unit: Unit, log: LedgerLog, size: int | None = None) -> Head:
    """Return the root of the first `size` entries of a log; by default of all."""
    count = log.size if size is None else size
    ranges = [(0, count)]
    return Head(count, hash_of(ranges[0], hashes_of(unit, log.id, nodes_of(ranges))))


def inclusion(unit: Unit, log: LedgerLog, index: int, size: int) -> list[bytes]:
    """Prove that an entry is among the first `size` ones. Raises `InvalidRequest`."""
    if not 0 < size <= log.size:
        raise invalid("/size", f"the log has {log.size} entries")
    if not 0 <= index < size:
        raise invalid("/index", f"entries 0 to {size - 1} are in a tree of size {size}")
    return _proof(unit, log, inclusion_ranges(index, size))


def consistency(unit: Unit, log: LedgerLog, old: int, size: int) -> list[bytes]:
    """Prove that the log of `size` entries begins with that of `old` ones. Raises
    `InvalidRequest`."""
    if not 0 < size <= log.size:
        raise invalid("/to", f"the log has {log.size} entries")
    if not 0 < old <= size:
        raise invalid("/from", f"must be from 1 to {size}")
    return _proof(unit, log, consistency_ranges(old, size))


def leaf(unit: Unit, log: LedgerLog, index: int) -> bytes:
    """Return the bytes of an entry. Raises `LedgerDamaged` if it is missing."""
    wanted = select(LedgerEntry.leaf).where(LedgerEntry.log == log.id, LedgerEntry.seq == index)
    found = unit.session.execute(wanted).scalar_one_or_none()
    if found is None:
        raise LedgerDamaged(f"entry {index} is missing")
    return bytes(found)


def hashes_of(unit: Unit, log: str, nodes: Iterable[Node]) -> dict[Node, bytes]:
    """Load the hashes of nodes. Raises `LedgerDamaged` if one is missing."""
    wanted = set(nodes)
    found: dict[Node, bytes] = {}
    leaves = [node.position for node in wanted if not node.level]
    if leaves:
        rows = unit.session.execute(
            select(LedgerEntry.seq, LedgerEntry.leaf_hash).where(
                LedgerEntry.log == log, LedgerEntry.seq.in_(leaves)
            )
        )
        found |= {Node(0, seq): bytes(raw) for seq, raw in rows}
    inner = [
        and_(LedgerNode.level == node.level, LedgerNode.position == node.position)
        for node in sorted(wanted)
        if node.level
    ]
    if inner:
        stored = unit.session.execute(
            select(LedgerNode.level, LedgerNode.position, LedgerNode.hash).where(
                LedgerNode.log == log, or_(*inner)
            )
        )
        found |= {Node(level, position): bytes(raw) for level, position, raw in stored}
    if found.keys() != wanted:
        missing = min(wanted - found.keys())
        raise LedgerDamaged(
            f"entries {missing.position << missing.level} to "
            f"{((missing.position + 1) << missing.level) - 1} are not complete"
        )
    return found


def _proof(unit: Unit, log: LedgerLog, ranges: Sequence[Range]) -> list[bytes]:
    hashes = hashes_of(unit, log.id, nodes_of(ranges))
    return [hash_of(leaves, hashes) for leaves in ranges]


def _locked(unit: Unit, agent_id: str) -> LedgerLog:
    wanted = (
        select(LedgerLog)
        .where(LedgerLog.id == agent_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    log = unit.session.execute(wanted).scalar_one_or_none()
    if log is not None:
        return log
    taken = Conflict("the ledger was created just now", code="ledger_busy")
    log = LedgerLog(id=agent_id, created_at=unit.now(), size=0, checkpoint_size=0)
    try:
        with flushed_or(unit.session, taken):
            unit.session.add(log)
    except Conflict:  # another transaction created it, and has committed
        return unit.session.execute(wanted).scalar_one()
    return log
