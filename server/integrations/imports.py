"""What a page of a sync imports into other domains, and what its resources say about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

import orjson
from sqlalchemy import select

from novaql.server.db.batches import batches
from novaql.server.db.unit import Unit
from novaql.server.errors import ServerError
from novaql.server.integrations.provider import Resource, SyncPage
from novaql.server.integrations.tables import Integration, IntegrationResource

_MOST_REPORTED = 8_000
_LONGEST_TEXT = 300


def with_imports(unit: Unit, row: Integration, page: SyncPage) -> Sequence[Resource]:
    """Save the imports of a page. Return its resources with the results as `imported`.

    An import that the server rejects (a limit is reached, a name is taken) is an `error` in its
    resource. The sync goes on, and the next one tries again.
    """
    if not page.imports:
        return page.resources
    known = _known(unit, row.provider, [one.key for one in page.imports])
    results: dict[tuple[str, str], Mapping[str, Any]] = {}
    for one in page.imports:
        former = {k: v for k, v in known.get(one.key, {}).items() if k != "error"}
        try:
            results[one.key] = one.save(unit, row.connected_by or "", former)
        except ServerError as problem:
            results[one.key] = {**former, "digest": "", "error": problem.message[:_LONGEST_TEXT]}
    return [
        replace(one, data={**one.data, "imported": dict(results[key])})
        if (key := (one.kind, one.external_id)) in results
        else one
        for one in page.resources
    ]


def digest_of(content: Any) -> str:
    """A digest of JSON, by which an import recognizes what has not changed."""
    text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS, default=str)
    return sha256(text).hexdigest()[:32]


def reported(notes: Sequence[str]) -> dict[str, Any]:
    """What was not imported, as it fits into a resource: the first notes, and their number."""
    shown, size = [], 0
    for note in notes:
        text = note[:_LONGEST_TEXT]
        size += len(orjson.dumps(text)) + 1
        if size > _MOST_REPORTED:
            break
        shown.append(text)
    return {"not_imported": shown, "not_imported_count": len(notes)}


def _known(
    unit: Unit, provider: str, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Mapping[str, Any]]:
    table = IntegrationResource
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for part in batches(sorted({external_id for _, external_id in keys})):
        statement = select(table.kind, table.external_id, table.data).where(
            table.provider == provider, table.external_id.in_(part)
        )
        for kind, external_id, data in unit.session.execute(statement).all():
            result = data.get("imported")
            if isinstance(result, dict):
                found[(kind, external_id)] = result
    return found
