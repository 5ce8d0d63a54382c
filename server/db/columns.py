"""Column types that mean the same in both databases."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy
from sqlalchemy import JSON, BigInteger, Dialect, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles

from novaql.server.clock import from_ms, to_ms
from novaql.server.db.texts import restored, storable


class Instant(TypeDecorator[datetime]):
    """A time in UTC, kept as milliseconds since 1970: exact, and sorted by every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else to_ms(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else from_ms(int(value))


class _AnyText(TypeDecorator[str]):
    """Text that is read back as it was written, whatever characters it has (`texts.py`)."""

    impl: Any = sqlalchemy.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else storable(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else restored(value)


class Text(_AnyText):
    """Text of any length."""

    impl = sqlalchemy.Text
    cache_ok = True


class String(_AnyText):
    """Text that is to have at most so many characters: `String(64)`.

    The database does not enforce it. SQLite never does, and PostgreSQL would count the characters
    of escapes; requests are checked by their schemas.
    """

    impl = sqlalchemy.String
    cache_ok = True


SEALED_AS = "sealed_as"
"""In `info` of a column of sealed texts: the place that they are sealed for; `{id}` is the row's.

A rotation of the master key finds the columns by it."""


WAS_PLAIN = "was_plain"
"""In `info` of a column of sealed texts that an earlier version stored in clear.

The server seals what is left of them when it starts."""


def sealed_for(place: str, *, was_plain: bool = False) -> dict[str, str | bool]:
    """`info` of a column whose texts are sealed for that place."""
    return {SEALED_AS: place, WAS_PLAIN: was_plain}


Id = String(64)
"""`prefix_` and a ULID, or what a domain derives."""

Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""Any JSON value; None is NULL. Its texts are escaped by the engine's serializer (`texts.py`)."""


@compiles(sqlalchemy.String, "postgresql")
def _without_limit(*_: Any, **__: Any) -> str:
    """Columns of PostgreSQL have no limit, those that migrations make neither."""
    return "TEXT"
