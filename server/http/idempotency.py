"""Idempotency-Key: a POST that is sent twice has its effect once.

One transaction stores the key's row and the change. A failed request therefore leaves no row, and
its key is usable again. For 24 hours after a success, a request with the same key gets the recorded
response with `Idempotent-Replayed: true`. A key belongs to its token, route and API version.
Recorded bodies are encrypted, because some contain a secret that is shown once.
"""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta

from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from novaql.fast_dataclass import dataclass
from novaql.server.cache.keys_in_flight import in_flight
from novaql.server.db.tables import IdempotencyKey
from novaql.server.db.tenant_limits import check_limit
from novaql.server.db.unit import Unit
from novaql.server.errors import Impossible, InvalidRequest
from novaql.server.ids import new_id

KEY_RETENTION = timedelta(hours=24)
_LONGEST = 255
_QUOTED = re.compile(r'"([^"\\]*)"')
_RECORDED_HEADERS = ("content-type", "location", "etag")


@dataclass(frozen=True, slots=True)
class RecordedResponse:
    """A response as it was sent."""

    status: int
    headers: dict[str, str]
    body: bytes


def read_key(header: str | None) -> str | None:
    """Return the key in a header, with or without the quotes of a structured field."""
    if header is None:
        return None
    quoted = _QUOTED.fullmatch(header.strip())
    key = quoted[1] if quoted else header.strip()
    if not 0 < len(key) <= _LONGEST or not key.isascii() or not key.isprintable():
        raise InvalidRequest(f"Idempotency-Key is 1 to {_LONGEST} printable ASCII characters")
    return key


def fingerprint(path: str, query: str, body: bytes) -> str:
    """Return a digest that is equal for equal requests to a route."""
    whole = hashlib.sha256()
    for part in (path.encode(), query.encode(), body):
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()


def recall(
    unit: Unit, principal_id: str, route: str, key: str, print_: str
) -> RecordedResponse | None:
    """Return the recorded response of a key. Raises `Impossible` if the request differs."""
    if unit.session.get_bind().dialect.name == "postgresql":
        _hold_on_postgresql(unit, principal_id, route, key)
    row = unit.session.execute(
        select(IdempotencyKey).where(
            IdempotencyKey.principal_id == principal_id,
            IdempotencyKey.route == route,
            IdempotencyKey.key == key,
        )
    ).scalar_one_or_none()
    if row is None:
        return None
    if row.created_at <= unit.now() - KEY_RETENTION:
        unit.session.delete(row)
        unit.session.flush()
        return None
    if row.fingerprint != print_:
        raise Impossible(
            "this Idempotency-Key was used with another request", code="idempotency_key_reused"
        )
    body = unit.unseal(row.body, f"idempotency:{row.id}")
    headers = {str(name): str(value) for name, value in row.headers.items()}
    return RecordedResponse(row.status, headers, body.encode("latin-1"))


def remember(
    unit: Unit, principal_id: str, route: str, key: str, print_: str, answer: RecordedResponse
) -> None:
    """Record a response in the transaction of the change. Raises `Conflict` `limit_reached` if the
    tenant has the largest number of keys already; the change rolls back then."""
    check_limit(unit, "max_idempotency_keys", IdempotencyKey)
    row_id = new_id("idem")
    recorded = {
        name: value for name, value in answer.headers.items() if name.lower() in _RECORDED_HEADERS
    }
    unit.session.add(
        IdempotencyKey(
            id=row_id,
            principal_id=principal_id,
            route=route,
            key=key,
            fingerprint=print_,
            created_at=unit.now(),
            status=answer.status,
            headers=recorded,
            body=unit.seal(answer.body.decode("latin-1"), f"idempotency:{row_id}"),
        )
    )
    try:
        unit.session.flush()
    except IntegrityError:
        raise in_flight() from None


def _hold_on_postgresql(unit: Unit, *key: str) -> None:
    """Lock the key, to distinguish a process that uses it now from one that used it before."""
    digest = hashlib.sha256("\0".join((unit.tenant_id, *key)).encode()).digest()
    number = int.from_bytes(digest[:8], "big", signed=True)
    connection = unit.session.connection()
    held = connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": number})
    if not held.scalar_one():
        raise in_flight()
