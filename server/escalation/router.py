"""/v1/escalation-policies, /v1/pages, and the escalations of incidents."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Response

from novaql.server.escalation import service
from novaql.server.escalation.schema import (
    IncidentPageQuery,
    PageOut,
    PagesOut,
    PagesQuery,
    PoliciesOut,
    PolicyOut,
    PolicyQuery,
    RunOut,
    SavePolicy,
)
from novaql.server.escalation.tables import Page
from novaql.server.escalation_model.tables import EscalationPolicy
from novaql.server.http.dependencies import (
    OPERATOR,
    READ_ONLY,
    IfMatch,
    Pages,
    ResourceId,
    UnitOfWork,
    if_match,
)
from novaql.server.http.routing import api_router, audited, cached

router = api_router("/v1/escalation-policies", "oncall")
pages_router = api_router("/v1/pages", "oncall")
incidents_router = api_router("/v1/incidents", "incidents")
UNKNOWN_ID: dict[str, Any] = {"description": "There is no policy with the `id`"}


@router.get("", dependencies=[READ_ONLY])
@cached(by="rows")
def list_escalation_policies(
    unit: UnitOfWork, pages: Pages, query: Annotated[PolicyQuery, Query()]
) -> PoliciesOut:
    """The escalation policies, oldest first."""
    return PoliciesOut.of(service.find(unit, pages, query), PolicyOut.of)


@router.post(
    "",
    status_code=201,
    dependencies=[OPERATOR, Depends(if_match)],
    responses={200: {"model": PolicyOut}, 404: UNKNOWN_ID},
)
@audited("escalation_policy.create")
def save_escalation_policy(
    unit: UnitOfWork, body: SavePolicy, seen: IfMatch, response: Response
) -> PolicyOut:
    """Create or replace an escalation policy.

    A body with an `id` replaces that policy, from its `version` (or If-Match). Each step pages its
    targets and waits; then the next step follows, unless a user has acknowledged the incident. A
    step that pages no one is followed by the next one at once; after the last step, the escalation
    always waits. Targets that do not exist are a 422, except those that the policy has already.
    Incidents that exist keep the policy that they began with.
    """
    row, is_new = service.save(unit, body, seen)
    if is_new:
        response.headers["Location"] = f"/v1/escalation-policies/{row.id}"
    else:
        response.status_code = 200
    return PolicyOut.of(row)


@router.get("/{id}", dependencies=[READ_ONLY])
@cached(by="rows")
def get_escalation_policy(unit: UnitOfWork, id: ResourceId) -> PolicyOut:
    """One escalation policy."""
    return PolicyOut.of(unit.get(EscalationPolicy, id, "escalation_policy"))


@router.delete("/{id}", status_code=204, dependencies=[OPERATOR])
@audited("escalation_policy.delete")
def delete_escalation_policy(unit: UnitOfWork, id: ResourceId) -> None:
    """Delete an escalation policy.

    Incidents that exist keep it. Incidents that rules open with it later are not escalated: their
    timelines say so.
    """
    service.end(unit, id)


@pages_router.get("", dependencies=[READ_ONLY])
@cached(by="rows")
def list_pages(unit: UnitOfWork, pages: Pages, query: Annotated[PagesQuery, Query()]) -> PagesOut:
    """The pages, newest first. The server deletes them `page_retention_s` after they ended."""
    return PagesOut.of(service.find_pages(unit, pages, query), PageOut.of)


@pages_router.get("/{id}", dependencies=[READ_ONLY])
@cached(by="rows")
def get_page(unit: UnitOfWork, id: ResourceId) -> PageOut:
    """One page."""
    return PageOut.of(unit.get(Page, id, "page"))


@incidents_router.get("/{id}/pages", dependencies=[READ_ONLY])
@cached(by="rows")
def list_pages_of_incident(
    unit: UnitOfWork, pages: Pages, id: ResourceId, query: Annotated[IncidentPageQuery, Query()]
) -> PagesOut:
    """The pages of an incident, newest first."""
    return PagesOut.of(service.pages_of(unit, pages, id, query), PageOut.of)


@incidents_router.get("/{id}/escalation", dependencies=[READ_ONLY])
@cached(by="rows")
def get_escalation(unit: UnitOfWork, id: ResourceId) -> RunOut:
    """The escalation of an incident: its state, its next step, and its policy as it was when the
    incident was created. 404 `escalation_not_found` if the incident has no policy."""
    return RunOut.of(service.run_of(unit, id))
