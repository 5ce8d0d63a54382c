"""Pages of lists, also of a provider whose API answers with a whole list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from novaql.server.integrations.provider import (
    MOST_IN_PAGE,
    ProviderFault,
    Reason,
    Resource,
    SyncPage,
)


def check_size(found: Sequence[Any], requested: int) -> None:
    """Raise `ProviderFault` for a longer page of a list than was requested: a provider that sends
    a request for each item would send too many."""
    if len(found) > requested:
        text = f"the answer lists {len(found)} items; at most {requested} were requested"
        raise ProviderFault(Reason.PROVIDER_ERROR, text)


def page_behind(resources: Sequence[Resource], last: str) -> tuple[list[Resource], str | None]:
    """Return the resources behind an external id, and that of the last one; None: the list ends.

    Each page reads the list again. Because the order is that of the ids, a resource that appears or
    disappears meanwhile moves no other one to another page.
    """
    behind = sorted(
        (one for one in resources if one.external_id > last), key=lambda one: one.external_id
    )
    page = behind[:MOST_IN_PAGE]
    return page, page[-1].external_id if len(behind) > MOST_IN_PAGE else None


def only_page(resources: Sequence[Resource], cursor: str | None) -> SyncPage:
    """The page of a provider that has one list. The cursor is the last external id."""
    page, last = page_behind(resources, cursor or "")
    return SyncPage(page, last, last is not None)
