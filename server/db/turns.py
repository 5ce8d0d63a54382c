"""Transactions of a tenant that must run one after another.

SQLite has one writer. PostgreSQL holds an advisory lock until the transaction ends. Later
statements of the transaction see all that earlier holders of the lock have committed.
"""

from __future__ import annotations

import hashlib

from sqlalchemy import text

from novaql.server.db.unit import Unit


def take_turns(unit: Unit, subject: str) -> None:
    """Wait until no other transaction of the tenant holds this subject, and hold it until the unit
    ends."""
    if unit.session.get_bind().dialect.name != "postgresql":
        return
    digest = hashlib.sha256(f"{subject}\0{unit.tenant_id}".encode()).digest()
    number = int.from_bytes(digest[:8], "big", signed=True)
    unit.session.connection().execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": number})
