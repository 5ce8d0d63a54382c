"""Column types that mean the same in both databases."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Dialect, String, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB

from server.platform.clock import from_ms, to_ms


class Instant(TypeDecorator[datetime]):
    """A time in UTC, kept as milliseconds since 1970: exact, and sorted by every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else to_ms(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else from_ms(int(value))


Id = String(64)
"""`prefix_` and a ULID, or what a domain derives."""

Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""Any JSON value; None is NULL."""
