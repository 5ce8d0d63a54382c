"""List pages: keyset pagination with cursors that only this server can create.

A cursor is the position after which the next list page starts. It is signed, and bound to the
tenant, the path and the filters that it was created for. Any other cursor is a 400
`invalid_cursor`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, Select, and_, or_
from sqlalchemy.orm import InstrumentedAttribute

from novaql.fast_dataclass import dataclass
from novaql.server.clock import from_ms, to_ms
from novaql.server.crypto.sealing import SealingKeys
from novaql.server.db.unit import Unit
from novaql.server.errors import InvalidRequest

AnyRow = TypeVar("AnyRow")
MOST = 200
USUAL = 50
_SIGNATURE = 16


class PageQuery(BaseModel):
    """Parameters of every list; a domain's own filters derive from it."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(USUAL, ge=1, le=MOST, description="rows in a page")
    cursor: str | None = Field(
        None, min_length=1, max_length=2048, description="`next_cursor` of the page before"
    )


@dataclass(frozen=True, slots=True)
class Page(Generic[AnyRow]):
    """Some rows, and the cursor of the next list page; None at the end."""

    rows: Sequence[AnyRow]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Key:
    """A column that a list is sorted by. The last key of a list must be unique."""

    column: InstrumentedAttribute[Any]
    descending: bool = False


def equal_to(table: type[Any], query: PageQuery, *names: str) -> list[ColumnElement[bool]]:
    """Return the conditions that columns equal the filters of the same names that are given."""
    given = ((name, getattr(query, name)) for name in names)
    return [getattr(table, name) == value for name, value in given if value is not None]


@dataclass(frozen=True, slots=True)
class Pager:
    """Creates the pages of one list. Its cursors are bound to the tenant, the path and the filters.

    keys  sign the cursors
    path  the path of the request
    """

    keys: SealingKeys
    tenant_id: str
    path: str

    def page(
        self, unit: Unit, statement: Select[AnyRow], order: Sequence[Key], query: PageQuery
    ) -> Page[AnyRow]:
        """Return the page of a statement's rows that `query` selects. The last key of `order` is
        unique. Rows that are added later never repeat or hide a row of an earlier page.

        Raises `InvalidRequest` with the code `invalid_cursor` for a cursor of another list.
        """
        after = None if query.cursor is None else self._position(query.cursor, query)
        found = _rows_after(unit, statement, order, after, query.limit + 1)
        rows = found[: query.limit]
        if len(found) <= query.limit:
            return Page(rows, None)
        return Page(rows, self._cursor(_values_of(rows[-1], order), query))

    def page_of_both(
        self,
        unit: Unit,
        first: tuple[Select[Any], Sequence[Key]],
        second: tuple[Select[Any], Sequence[Key]],
        query: PageQuery,
    ) -> Page[Any]:
        """Return a page of a list that has the rows of one statement, and then those of another,
        each in its own order.

        Raises `InvalidRequest` with the code `invalid_cursor` for a cursor of another list.
        """
        parts, begin, after = (first, second), 0, None
        if query.cursor is not None:
            begin, *after = self._position(query.cursor, query)
        found: list[tuple[int, Any]] = []
        for number in range(begin, len(parts)):
            missing = query.limit + 1 - len(found)
            if missing:
                rows = _rows_after(unit, *parts[number], after, missing)
                found += [(number, row) for row in rows]
            after = None
        page = [row for _, row in found[: query.limit]]
        if len(found) <= query.limit:
            return Page(page, None)
        number = found[query.limit - 1][0]
        return Page(page, self._cursor([number, *_values_of(page[-1], parts[number][1])], query))

    def first_of(
        self, page: Page[AnyRow], count: int, order: Sequence[Key], query: PageQuery
    ) -> Page[AnyRow]:
        """Return a page with only the first rows of one; the next page begins after them."""
        rows = page.rows[:count]
        if len(rows) == len(page.rows):
            return page
        return Page(rows, self._cursor(_values_of(rows[-1], order), query))

    def _cursor(self, values: Sequence[Any], query: PageQuery) -> str:
        key = self.keys.signing_keys("cursor")[0]
        return _cursor_at(values, key, self._bound(query))

    def _position(self, cursor: str, query: PageQuery) -> list[Any]:
        return _values_in(cursor, self.keys.signing_keys("cursor"), self._bound(query))

    def _bound(self, query: PageQuery) -> bytes:
        """The hash of the list to which a cursor is bound."""
        filters = query.model_dump(mode="json", exclude={"limit", "cursor"})
        shown = json.dumps([self.tenant_id, self.path, sorted(filters.items())], default=str)
        return hashlib.sha256(shown.encode()).digest()


def _rows_after(
    unit: Unit,
    statement: Select[AnyRow],
    order: Sequence[Key],
    after: Sequence[Any] | None,
    most: int,
) -> Sequence[AnyRow]:
    """Return the first rows in an order, or the first ones after a position."""
    if after is not None:
        statement = statement.where(_after(order, after))
    columns = [k.column.desc() if k.descending else k.column.asc() for k in order]
    return unit.session.execute(statement.order_by(*columns).limit(most)).scalars().all()


def _values_of(row: object, order: Sequence[Key]) -> list[Any]:
    return [getattr(row, one.column.key) for one in order]


def _cursor_at(values: Sequence[Any], key: bytes, bound: bytes) -> str:
    plain = [{"t": to_ms(v)} if isinstance(v, datetime) else v for v in values]
    body = json.dumps(plain, separators=(",", ":")).encode()
    return _base64(_signature(key, bound, body) + body)


def _values_in(cursor: str, keys: Sequence[bytes], bound: bytes) -> list[Any]:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raw = b""
    signature, body = raw[:_SIGNATURE], raw[_SIGNATURE:]
    genuine = any(hmac.compare_digest(signature, _signature(key, bound, body)) for key in keys)
    if not genuine or _base64(raw) != cursor:
        raise InvalidRequest(
            "the cursor is not one of this list with these filters; start without one",
            code="invalid_cursor",
        )
    return [from_ms(v["t"]) if isinstance(v, dict) else v for v in json.loads(body)]


def _signature(key: bytes, bound: bytes, body: bytes) -> bytes:
    return hmac.digest(key, bound + body, "sha256")[:_SIGNATURE]


def _after(keys: Sequence[Key], values: Sequence[Any]) -> Any:
    """Return the condition (a, b) > (x, y), where each column has its own direction."""
    choices = []
    for number, (key, value) in enumerate(zip(keys, values, strict=True)):
        further = key.column < value if key.descending else key.column > value
        same = [k.column == v for k, v in zip(keys[:number], values[:number], strict=True)]
        choices.append(and_(*same, further))
    return or_(*choices)


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
