"""Column types with the same semantics in both databases."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import JSON, BigInteger, Dialect, TypeDecorator
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeEngine

from novaql.lazy_exports import lazy_module
from novaql.server.clock import from_ms, to_ms
from novaql.server.db.texts import restored, storable

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql
else:
    postgresql = lazy_module("sqlalchemy.dialects.postgresql")


class Instant(TypeDecorator[datetime]):
    """A time in UTC, stored as milliseconds since 1970: exact, and in order in both databases."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else to_ms(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else from_ms(int(value))


class Text(TypeDecorator[str]):
    """Text of any length, read back as it was written, with any characters (`texts.py`)."""

    impl: Any = sqlalchemy.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else storable(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else restored(value)


class String(Text):
    """Text with a nominal limit of characters: `String(64)`.

    The database does not enforce the limit: SQLite never does, and PostgreSQL would count the
    characters of escapes. The schemas of requests enforce it.
    """

    impl = sqlalchemy.String
    cache_ok = True


SEALED_AS = "sealed_as"
"""Key in `info` of a column of sealed texts: the place that they are sealed for, with `{id}` for
the id of the row.

A rotation of the master key finds these columns by it.
"""


WAS_PLAIN = "was_plain"
"""Key in `info` of a column of sealed texts that an earlier version stored unencrypted.

At its start the server seals the remaining ones.
"""


def sealed_for(place: str, *, was_plain: bool = False) -> dict[str, str | bool]:
    """Return the `info` of a column whose texts are sealed for a place."""
    return {SEALED_AS: place, WAS_PLAIN: was_plain}


Id = String(64)
"""`prefix_` and a ULID, or an id that a domain derives."""


class Json(TypeDecorator[Any]):
    """Any JSON value; None is NULL. The engine's serializer escapes its texts (`texts.py`).

    PostgreSQL stores it as JSONB.
    """

    impl = JSON
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(none_as_null=True)

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.JSONB(none_as_null=True))
        return dialect.type_descriptor(self.impl_instance)

    def coerce_compared_value(self, op: OperatorType | None, value: Any) -> TypeEngine[Any]:
        return self.impl_instance.coerce_compared_value(op, value)


@compiles(sqlalchemy.String, "postgresql")
def _without_limit(*_: Any, **__: Any) -> str:
    """PostgreSQL columns have no limit, including those that migrations create."""
    return "TEXT"
