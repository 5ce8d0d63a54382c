"""The versions of a tenant's rows, by table.

A transaction that changes rows of a tenant increments the version of each changed table, and a
total. The transaction itself stores these versions as rows, so every process sees the same numbers.
The versions of tables are read only if the total has changed; over SQLite the total is read only
after a commit (`sqlite_versions.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field

from sqlalchemy import BigInteger, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from novaql.fast_dataclass import dataclass
from novaql.server.db.columns import Id
from novaql.server.db.rows import Base

ALL_TENANTS = ""
"""Replaces the tenant in a transaction over all tenants."""
TOTAL = ""
"""Names the row that counts all transactions, of any table."""

TOTAL_OF = "SELECT sum(version) FROM row_versions WHERE tenant_id IN ('', ?) AND name = ''"
VERSIONS_OF = "SELECT name, sum(version) FROM row_versions WHERE tenant_id IN ('', ?) GROUP BY name"
_BUMP = text(
    "INSERT INTO row_versions (tenant_id, name, version) VALUES (:tenant, :name, 1)"
    " ON CONFLICT (tenant_id, name) DO UPDATE SET version = row_versions.version + 1"
)


class RowVersion(Base):
    """The number of transactions that have changed rows of a table (or `TOTAL`) of a tenant, or of
    all tenants (`ALL_TENANTS`)."""

    __tablename__ = "row_versions"

    tenant_id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Id, primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True, slots=True)
class RowVersions:
    """The versions that one read returns. Two are equal if no row has changed between them.

    generation  identifies the file of the database
    tables      versions by table; tables without changes are missing
    """

    generation: int
    total: int
    tables: Mapping[str, int] = field(compare=False)

    @staticmethod
    def of(generation: int, rows: Iterable[tuple[str, int]]) -> RowVersions:
        """Create it from rows of `VERSIONS_OF`."""
        tables = {name: int(version) for name, version in rows}
        return RowVersions(generation, tables.pop(TOTAL, 0), tables)

    def same(self, other: RowVersions, tables: Iterable[str]) -> bool:
        """Return whether the versions of these tables are equal in both."""
        return self == other or (
            self.generation == other.generation
            and all(self.tables.get(name) == other.tables.get(name) for name in tables)
        )


def bump(session: Session, tenant_id: str | None, tables: Iterable[str]) -> None:
    """Increment the versions of the changed tables, after the last change of the transaction.
    tenant_id None: all tenants.

    Writers of a tenant wait for the row of the total until the transaction commits, so the order of
    the other rows cannot cause a deadlock.
    """
    tenant = ALL_TENANTS if tenant_id is None else tenant_id
    names = (TOTAL, *sorted(tables))
    session.connection().execute(_BUMP, [{"tenant": tenant, "name": name} for name in names])
