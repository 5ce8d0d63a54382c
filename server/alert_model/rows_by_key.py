"""Statements over many keys, in batches: a statement has a limited number of parameters."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import InstrumentedAttribute

from novaql.server.db.batches import batches
from novaql.server.db.unit import Unit


def rows_by(
    unit: Unit,
    column: InstrumentedAttribute[Any],
    keys: Collection[str],
    *where: ColumnElement[bool],
    lock: bool = False,
) -> list[Any]:
    """The rows with these values in a column. `lock` locks them in the order of the column."""
    found: list[Any] = []
    for some in batches(sorted(keys) if lock else keys):
        statement = select(column.class_).where(column.in_(some), *where)
        statement = statement.order_by(column).with_for_update() if lock else statement
        found += unit.session.execute(statement).scalars().all()
    return found


def delete_by(
    unit: Unit,
    column: InstrumentedAttribute[Any],
    keys: Collection[str],
    *where: ColumnElement[bool],
) -> None:
    """Delete the rows with these values in a column."""
    for some in batches(keys):
        unit.session.execute(delete(column.class_).where(column.in_(some), *where))
