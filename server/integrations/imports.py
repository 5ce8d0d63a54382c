"""The imports of a page of a sync into other domains, and their description in its resources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from novaql.server.db.batches import batches
from novaql.server.db.tenant_limits import remaining
from novaql.server.db.unit import Unit
from novaql.server.errors import ServerError
from novaql.server.integrations.provider import Resource, SyncPage
from novaql.server.integrations.syncs import COUNTED, LIMIT, short_id
from novaql.server.integrations.tables import Integration, IntegrationResource

_LONGEST_TEXT = 300


def with_imports(unit: Unit, row: Integration, page: SyncPage) -> Sequence[Resource]:
    """Save the imports of a page. Return its resources with the results as `imported`.

    An import that the server rejects (a limit is reached, a name is taken) is an `error` in its
    resource. The sync continues, and the next one retries. Nothing is imported for a resource
    that may not fit any more: without its row, the next sync would import it a second time.
    """
    if not page.imports:
        return page.resources
    unique = {(one.key[0], short_id(one.key[1])): one for one in page.imports}
    known, listed = _known(unit, row.provider, unique)
    fits = remaining(unit, LIMIT, IntegrationResource, *COUNTED) >= len(page.resources)
    results: dict[tuple[str, str], Mapping[str, Any]] = {}
    for key, one in unique.items():
        if key not in listed and not fits:
            continue
        former = {k: v for k, v in known.get(key, {}).items() if k != "error"}
        try:
            results[key] = one.save(unit, row.connected_by or "", former)
        except ServerError as problem:
            results[key] = {**former, "digest": "", "error": problem.message[:_LONGEST_TEXT]}
    return [
        replace(one, data={**one.data, "imported": dict(results[key])})
        if (key := (one.kind, short_id(one.external_id))) in results
        else one
        for one in page.resources
    ]


def _known(
    unit: Unit, provider: str, keys: Iterable[tuple[str, str]]
) -> tuple[dict[tuple[str, str], Mapping[str, Any]], set[tuple[str, str]]]:
    """The results of the last sync, of the resources that have a row; and the resources among them
    that have not vanished, which the limit counts already."""
    table = IntegrationResource
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    listed: set[tuple[str, str]] = set()
    for part in batches(sorted({external_id for _, external_id in keys})):
        statement = select(table.kind, table.external_id, table.data, table.vanished_at).where(
            table.provider == provider, table.external_id.in_(part)
        )
        for kind, external_id, data, vanished_at in unit.session.execute(statement).all():
            found[(kind, external_id)] = data.get("imported") or {}
            if vanished_at is None:
                listed.add((kind, external_id))
    return found, listed
