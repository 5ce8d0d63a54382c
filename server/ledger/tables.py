"""Tables of ledgers: logs, their entries, and the nodes of their trees."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import Id, String, Text
from novaql.server.db.rows import Base, Row, TenantRow


class LedgerLog(Row, Base):
    """The log of an agent; its id is the agent's.

    size             number of entries
    checkpoint_size  size of the last published checkpoint
    checkpoint_at    when it was published
    due_at           when the job publishes the next one; None: nothing was appended since
    fault            why the server cannot sign the log; None: it can
    """

    __tablename__ = "ledger_logs"

    size: Mapped[int] = mapped_column(BigInteger, default=0)
    checkpoint_size: Mapped[int] = mapped_column(BigInteger, default=0)
    checkpoint_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    fault: Mapped[str | None] = mapped_column(Text)


class LedgerEntry(TenantRow, Base):
    """An entry. Immutable, and never deleted.

    seq        its index in the tree, from 0
    leaf       its canonical JSON, as it is hashed and served
    leaf_hash  SHA-256 of a zero byte and the leaf
    """

    __tablename__ = "ledger_entries"

    log: Mapped[str] = mapped_column(Id, ForeignKey("ledger_logs.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(64))
    leaf: Mapped[bytes] = mapped_column(LargeBinary)
    leaf_hash: Mapped[bytes] = mapped_column(LargeBinary)


class LedgerNode(TenantRow, Base):
    """The hash of a complete subtree above the entries, so that proofs read O(log n) rows."""

    __tablename__ = "ledger_nodes"

    log: Mapped[str] = mapped_column(Id, ForeignKey("ledger_logs.id"), primary_key=True)
    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
