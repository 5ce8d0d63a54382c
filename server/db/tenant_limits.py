"""Limits of the resources of each kind that a tenant may have, checked at their creation.

The transaction that adds the rows also counts them. Such transactions of one tenant run one after
another, so that two simultaneous requests cannot both take the last place: SQLite has one writer,
and PostgreSQL holds an advisory lock until the transaction ends.
"""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import ColumnElement, func, select

from novaql.server.db.rows import TenantRow
from novaql.server.db.turns import take_turns
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, Detail
from novaql.server.settings import RESOURCES

PENDING_LIMIT = "max_pending_deliveries"
DELIVERIES = ("webhooks.deliver", "alerts.deliver")
"""Kinds of jobs that deliver. Each pending delivery has a job, so the jobs are counted."""


def check_limit(
    unit: Unit,
    setting: str,
    table: type[TenantRow],
    *where: ColumnElement[bool],
    adds: int = 1,
) -> None:
    """Raise `Conflict` `limit_reached` unless the tenant may have `adds` more rows of a kind.

    setting  the limit, one of `RESOURCES`; 0: unlimited
    where    selects the rows of the table that count
    """
    if adds > 0 and remaining(unit, setting, table, *where) < adds:
        raise too_many(unit, setting)


def remaining(
    unit: Unit, setting: str, table: type[TenantRow], *where: ColumnElement[bool]
) -> float:
    """Return how many more rows of a kind the tenant may have; negative after the limit was
    lowered."""
    most: int = getattr(unit.settings, setting)
    if not most:
        return math.inf
    take_turns(unit, "limits")
    counted: Any = select(func.count()).select_from(table).where(*where)
    return most - int(unit.session.execute(counted).scalar_one())


def too_many(unit: Unit, setting: str) -> Conflict:
    """Return the error for one more row of a kind."""
    most: int = getattr(unit.settings, setting)
    called = RESOURCES[setting]
    return limit_reached(setting, f"the tenant may have {most} {called}", most)


def limit_reached(setting: str, message: str, most: float, pointer: str = "") -> Conflict:
    """Return the error that all limits of a tenant share. It names the setting and its value."""
    whole = f"{message}: that is its limit ({setting} = {most:g})"
    return Conflict(whole, code="limit_reached", details=[Detail(pointer, whole)])
