"""The versions of a tenant's rows, by table.

A transaction that changes rows of a tenant increments the version of each table that it changed,
and a total. The versions are rows that the transaction itself changes, so every process sees the
same numbers. The versions of tables are read only when the total has changed; over SQLite the total
is read only after a commit (`sqlite_versions.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import BigInteger, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from novaql.server.db.columns import Id
from novaql.server.db.rows import Base

ALL_TENANTS = ""
"""Stands for the tenant of a transaction over all of them."""
TOTAL = ""
"""The row that counts the transactions, whichever tables they change."""

TOTAL_OF = "SELECT sum(version) FROM row_versions WHERE tenant_id IN ('', ?) AND name = ''"
VERSIONS_OF = "SELECT name, sum(version) FROM row_versions WHERE tenant_id IN ('', ?) GROUP BY name"
_BUMP = text(
    "INSERT INTO row_versions (tenant_id, name, version) VALUES (:tenant, :name, 1)"
    " ON CONFLICT (tenant_id, name) DO UPDATE SET version = row_versions.version + 1"
)


class RowVersion(Base):
    """How many transactions have changed rows of a table (or `TOTAL`) of a tenant, or of all
    tenants together (`ALL_TENANTS`)."""

    __tablename__ = "row_versions"

    tenant_id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Id, primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True, slots=True)
class RowVersions:
    """The versions that one look sees. Two are equal if no row has changed between them.

    generation  a number for the file that is the database
    tables      by name; tables that have not changed yet are missing
    """

    generation: int
    total: int
    tables: Mapping[str, int] = field(compare=False)

    @staticmethod
    def of(generation: int, rows: Iterable[tuple[str, int]]) -> RowVersions:
        """From rows of `VERSIONS_OF`."""
        tables = {name: int(version) for name, version in rows}
        return RowVersions(generation, tables.pop(TOTAL, 0), tables)

    def same(self, other: RowVersions, tables: Iterable[str]) -> bool:
        """Whether the rows of some tables are the same in both."""
        return self == other or (
            self.generation == other.generation
            and all(self.tables.get(name) == other.tables.get(name) for name in tables)
        )


def bump(session: Session, tenant_id: str | None, tables: Iterable[str]) -> None:
    """Count the transaction of a session, after its last change. None: of all tenants.

    Writers of a tenant wait for the total until it commits, so they take the others in any order.
    """
    tenant = ALL_TENANTS if tenant_id is None else tenant_id
    names = (TOTAL, *sorted(tables))
    session.connection().execute(_BUMP, [{"tenant": tenant, "name": name} for name in names])
