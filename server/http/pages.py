"""List pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Select

from novaql.server.crypto.sealing import SealingKeys
from novaql.server.db.unit import Unit
from novaql.server.http.pagination import Cursors, Key, Page, PageQuery, page_of

AnyRow = TypeVar("AnyRow")


@dataclass(frozen=True, slots=True)
class Pager:
    """Creates the list pages of one list. Its cursors are bound to the tenant, the path and the
    filters.

    keys       sign the cursors
    path       the path of the request
    """

    keys: SealingKeys
    tenant_id: str
    path: str

    def page(
        self, unit: Unit, statement: Select[AnyRow], order: Sequence[Key], query: PageQuery
    ) -> Page[AnyRow]:
        """Return the list page of a statement's rows that `query` selects. The last key of `order`
        is unique.

        Raises `InvalidRequest` with the code `invalid_cursor` for a cursor of another list.
        """
        filters = query.model_dump(mode="json", exclude={"limit", "cursor"})
        cursors = Cursors(self.keys, self.tenant_id, self.path, filters)
        return page_of(unit.session, statement, order, query, cursors)
