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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Select, and_, or_
from sqlalchemy.orm import InstrumentedAttribute, Session

from novaql.server.clock import from_ms, to_ms
from novaql.server.crypto.sealing import SealingKeys
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


class Cursors:
    """Writes and reads the cursors of one list: tenant, path and filters."""

    def __init__(self, keys: SealingKeys, tenant_id: str, path: str, filters: Mapping[str, Any]):
        self._keys = keys.signing_keys("cursor")
        shown = json.dumps([tenant_id, path, sorted(filters.items())], default=str)
        self._bound = hashlib.sha256(shown.encode()).digest()

    def write(self, values: Sequence[Any]) -> str:
        """Return the cursor after a row with these values of the keys."""
        plain = [{"t": to_ms(v)} if isinstance(v, datetime) else v for v in values]
        body = json.dumps(plain, separators=(",", ":")).encode()
        return _base64(self._sign(self._keys[0], body) + body)

    def read(self, text: str) -> list[Any]:
        """Return the values in a cursor. Raises `InvalidRequest` with code `invalid_cursor`."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except ValueError:
            raw = b""
        signature, body = raw[:_SIGNATURE], raw[_SIGNATURE:]
        genuine = [hmac.compare_digest(signature, self._sign(key, body)) for key in self._keys]
        if not any(genuine) or _base64(raw) != text:
            raise InvalidRequest(
                "the cursor is not one of this list with these filters; start without one",
                code="invalid_cursor",
            )
        values: list[Any] = json.loads(body)
        return [from_ms(v["t"]) if isinstance(v, dict) else v for v in values]

    def _sign(self, key: bytes, body: bytes) -> bytes:
        return hmac.digest(key, self._bound + body, "sha256")[:_SIGNATURE]


def page_of(
    session: Session,
    statement: Select[AnyRow],
    keys: Sequence[Key],
    query: PageQuery,
    cursors: Cursors,
) -> Page[AnyRow]:
    """Return one list page of a statement's rows, in the order of the keys.

    Rows that are added later never repeat or hide a row of an earlier page.
    """
    if query.cursor is not None:
        values = cursors.read(query.cursor)
        statement = statement.where(_after(keys, values))
    order = [k.column.desc() if k.descending else k.column.asc() for k in keys]
    found = session.execute(statement.order_by(*order).limit(query.limit + 1)).scalars().all()
    rows = found[: query.limit]
    if len(found) <= query.limit:
        return Page(rows, None)
    return Page(rows, cursors.write([getattr(rows[-1], key.column.key) for key in keys]))


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
