"""/v1/escalation-policies, /v1/pages, and the escalations of incidents."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Response

from novaql.server.escalation import service
from novaql.server.escalation.schema import (
    EscalationOut,
    EscalationPoliciesOut,
    EscalationPolicyOut,
    EscalationPolicyQuery,
    EscalationQuery,
    EscalationsOut,
    IncidentPageQuery,
    PageOut,
    PagesOut,
    PagesQuery,
    SaveEscalationPolicy,
)
from novaql.server.escalation.tables import EscalationRun, Page
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
escalations_router = api_router("/v1/escalations", "oncall")
incidents_router = api_router("/v1/incidents", "incidents")
UNKNOWN_ID: dict[str, Any] = {"description": "There is no policy with the `id`"}


@router.get("", dependencies=[READ_ONLY])
@cached(by="rows")
def list_escalation_policies(
    unit: UnitOfWork, pages: Pages, query: Annotated[EscalationPolicyQuery, Query()]
) -> EscalationPoliciesOut:
    """The escalation policies, oldest first."""
    return EscalationPoliciesOut.of(service.find(unit, pages, query), EscalationPolicyOut.of)


@router.post(
    "",
    status_code=201,
    dependencies=[OPERATOR, Depends(if_match)],
    responses={200: {"model": EscalationPolicyOut}, 404: UNKNOWN_ID},
)
@audited("escalation_policy.create")
def save_escalation_policy(
    unit: UnitOfWork, body: SaveEscalationPolicy, seen: IfMatch, response: Response
) -> EscalationPolicyOut:
    """Create or replace an escalation policy.

    A body with an `id` replaces that policy, from its `version` (or If-Match). Each step pages its
    targets and waits; then the next step follows, unless a user has acknowledged the incident. A
    step that pages no one is followed by the next one at once; after the last step, the escalation
    always waits. Targets that do not exist are a 422, except those that the policy has already.
    Open incidents retain the policy with which they began.
    """
    row, is_new = service.save(unit, body, seen)
    if is_new:
        response.headers["Location"] = f"/v1/escalation-policies/{row.id}"
    else:
        response.status_code = 200
    return EscalationPolicyOut.of(row)


@router.get("/{id}", dependencies=[READ_ONLY])
@cached(by="rows")
def get_escalation_policy(unit: UnitOfWork, id: ResourceId) -> EscalationPolicyOut:
    """One escalation policy."""
    return EscalationPolicyOut.of(unit.get(EscalationPolicy, id, "escalation_policy"))


@router.delete("/{id}", status_code=204, dependencies=[OPERATOR])
@audited("escalation_policy.delete")
def delete_escalation_policy(unit: UnitOfWork, id: ResourceId) -> None:
    """Delete an escalation policy.

    Open incidents retain the policy. Later incidents of its rules are not escalated; their
    timelines record it.
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


@escalations_router.get("", dependencies=[READ_ONLY])
@cached(by="rows")
def list_escalations(
    unit: UnitOfWork, pages: Pages, query: Annotated[EscalationQuery, Query()]
) -> EscalationsOut:
    """The escalations of incidents, newest first: one for each incident with a policy."""
    return EscalationsOut.of(service.find_runs(unit, pages, query), EscalationOut.of)


@escalations_router.get("/{id}", dependencies=[READ_ONLY])
@cached(by="rows")
def get_escalation(unit: UnitOfWork, id: ResourceId) -> EscalationOut:
    """One escalation: its state, its next step, and its policy as it was when the incident was
    created."""
    return EscalationOut.of(unit.get(EscalationRun, id, "escalation"))
