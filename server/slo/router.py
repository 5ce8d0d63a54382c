"""/v1/slo."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Query, Request, Response
from sqlalchemy import Select, select

from novaql import QueryError
from novaql.server.catalog.lookup import service_named
from novaql.server.catalog.tables import Service
from novaql.server.db.tenant_limits import limit_reached
from novaql.server.db.unit import Unit
from novaql.server.errors import InvalidRequest, ServerError, not_found
from novaql.server.http.dependencies import (
    OPERATOR,
    READ_ONLY,
    SAMPLES,
    IfMatch,
    Pages,
    ResourceId,
    Server,
    UnitOfWork,
)
from novaql.server.http.pagination import Key, Page
from novaql.server.http.preparing import Preparation, checked
from novaql.server.http.routing import api_router, audited, cached
from novaql.server.http.transaction import ExternalCall
from novaql.server.query.measure import Meter
from novaql.server.slo import service as slos
from novaql.server.slo.openslo import NotTaken, Read, read_documents
from novaql.server.slo.posture import Posture, posture, postures
from novaql.server.slo.rules import prometheus_rules
from novaql.server.slo.schema import (
    HistoryOut,
    ImportedSlosOut,
    ImportSlos,
    ListedSlo,
    OneServiceQuery,
    ServiceSlosOut,
    SetSlo,
    SloOut,
    SloQuery,
    SlosOut,
    TermOut,
)
from novaql.server.slo.tables import Slo

KEYS = (Key(Slo.service), Key(Slo.name))
Documents = list[tuple[Read, slos.Checked | None]]
"""The documents of an import, each with its checked objective."""

router = api_router("/v1/slo", "slo")


async def checked_slo(request: Request, service: ResourceId, body: SetSlo) -> slos.Checked:
    """Check the objective of a request."""
    return await checked(request, body, lambda _: slos.checked(service, body))


async def checked_documents(request: Request, body: ImportSlos) -> Documents:
    """Read and check the documents of a request."""
    return await checked(request, body, _read_documents)


@router.get("", dependencies=[READ_ONLY, SAMPLES])
@cached(by="samples")
def list_slos(
    unit: UnitOfWork, pages: Pages, query: Annotated[SloQuery, Query()], server: Server
) -> SlosOut:
    """The objectives of all services, with their current posture."""
    meter = Meter(server, unit.now())
    configured = select(Slo).where(Slo.archived_at.is_(None))
    page: Page[Slo | Service]
    if query.include_unconfigured:
        both = (configured, KEYS), (_unconfigured(), (Key(Service.name),))
        page = pages.page_of_both(unit, *both, query)
    else:
        page = pages.page(unit, configured, KEYS, query)
    data = []
    for row in page.rows:
        if isinstance(row, Service):
            data.append(ListedSlo(service=row.name, status="not_configured"))
            continue
        shown = _shown(posture(row, meter))
        if query.status is None or shown.status == query.status:
            data.append(ListedSlo.of(shown))
    return SlosOut(data=data, next_cursor=page.next_cursor)


@router.post("/import", dependencies=[OPERATOR])
@audited("slo.import")
def import_slos(
    unit: UnitOfWork,
    seen: IfMatch,
    documents: Annotated[Documents, Depends(checked_documents)],
) -> ImportedSlosOut:
    """Import OpenSLO documents. The answer lists skipped documents, with the reason."""
    made: list[str] = []
    changed: list[str] = []
    skipped: list[dict[str, str]] = []
    notes: list[dict[str, str]] = []
    for document, objective in documents:
        if objective is None:
            skipped.append({"name": document.name, "reason": document.problem})
            continue
        name = f"{document.service}/{objective.columns['name']}"
        known = slos.named(unit, document.service, objective.columns["name"])
        if known is not None:
            objective = slos.with_settings_of(known, objective)
        try:
            _, new = slos.set_slo(unit, document.service, objective, seen)
        except ServerError as problem:
            skipped.append({"name": document.name, "reason": problem.message})
            continue
        (made if new else changed).append(name)
        notes += [{"name": name, "note": note} for note in document.notes]
    unit.audit(
        "slo.import",
        ("slo", "import"),
        after={"created": made, "updated": changed, "skipped": skipped},
    )
    return ImportedSlosOut(created=made, updated=changed, skipped=skipped, notes=notes)


@router.get("/{service}", dependencies=[READ_ONLY, SAMPLES])
@cached(by="samples")
def get_service_slos(
    unit: UnitOfWork,
    service: ResourceId,
    query: Annotated[OneServiceQuery, Query()],
    server: Server,
) -> ServiceSlosOut:
    """The objectives of one service, with attainment, error budget and burn rates."""
    name = service_named(unit, service).name
    meter = Meter(server, unit.now())
    found = [_shown(p) for p in postures(unit, meter, name, query.slo)]
    if query.slo is not None and not found:
        raise not_found("slo", f"{name}/{query.slo}", unit.tenant_name)
    return ServiceSlosOut(service=name, slos=found)


@router.post(
    "/{service}",
    status_code=201,
    dependencies=[OPERATOR, SAMPLES],
    response_model=SloOut,
    responses={200: {"model": SloOut}},
)
@audited("slo.save")
def set_slo(
    unit: UnitOfWork,
    service: ResourceId,
    seen: IfMatch,
    objective: Annotated[slos.Checked, Depends(checked_slo)],
    server: Server,
    response: Response,
) -> ExternalCall[Posture, SloOut]:
    """Create or change an objective.

    201 for a new objective, 200 for a change made from its `version`.
    """
    slo, new = slos.set_slo(unit, service, objective, seen)
    unit.session.flush()
    if new:
        response.headers["Location"] = f"/v1/slo/{service}"
    else:
        response.status_code = 200
    # Measured after the transaction: queries over a month of samples would block writers.
    apart, meter = slos.apart(slo), Meter(server, unit.now())
    return ExternalCall(lambda: posture(apart, meter), _shown)


@router.delete("/{service}/{name}", status_code=204, dependencies=[OPERATOR])
@audited("slo.delete")
def delete_slo(unit: UnitOfWork, service: ResourceId, name: ResourceId) -> None:
    """Archive an objective. The server retains its history."""
    slos.remove(unit, service, name)


@router.get("/{service}/{name}/history", dependencies=[READ_ONLY])
@cached(by="rows")
def get_slo_history(unit: UnitOfWork, service: ResourceId, name: ResourceId) -> HistoryOut:
    """The versions of an objective with their periods of validity, newest first."""
    slo = _one(unit, service, name)
    terms = [TermOut.model_validate(term) for term in slos.history(unit, slo)]
    return HistoryOut(service=slo.service, name=slo.name, terms=terms)


@router.get(
    "/{service}/{name}/rules",
    dependencies=[READ_ONLY],
    response_class=Response,
    response_model=None,
    responses={200: {"content": {"application/yaml": {}}}},
)
@cached(by="rows")
def get_slo_rules(unit: UnitOfWork, service: ResourceId, name: ResourceId) -> Response:
    """An objective as a Prometheus rule file: recording rules like Sloth's, and burn alerts."""
    text = prometheus_rules(_one(unit, service, name))
    return Response(text, media_type="application/yaml", headers={"Cache-Control": "no-store"})


def _read_documents(preparation: Preparation) -> Documents:
    """Read every document, and check its objective."""
    found: Documents = []
    most = preparation.context.settings.max_slos
    try:
        for document in read_documents(preparation.body.document):
            preparation.checkpoint()
            objective = None
            if document.slo is not None:
                try:
                    objective = slos.checked(document.service, document.slo)
                except (ServerError, QueryError) as problem:
                    document = replace(document, problem=problem.message)
            found.append((document, objective))
            if 0 < most < len(found):
                what = f"the document has more than {most} objectives"
                raise limit_reached("max_slos", what, most, "/document")
    except NotTaken as problem:
        raise InvalidRequest(f"document: {problem}") from None
    return found


def _one(unit: Unit, service: str, name: str) -> Slo:
    slo = slos.named(unit, service_named(unit, service).name, name)
    if slo is None:
        raise not_found("slo", f"{service}/{name}", unit.tenant_name)
    return slo


def _unconfigured() -> Select[Service]:
    """The services without an objective."""
    with_slo = select(Slo.service).where(Slo.archived_at.is_(None))
    return select(Service).where(Service.name.not_in(with_slo))


def _shown(found: Posture) -> SloOut:
    slo, (begin, end) = found.slo, found.bounds
    window = slo.window
    text = window.get("rolling") or f"{window['period']} in {window['zone']}"
    columns = SloOut.model_fields.keys() & Slo.__table__.columns.keys()
    return SloOut.model_validate(
        {
            **{name: getattr(slo, name) for name in columns},
            "window": {"text": text, "starts_at": begin, "ends_at": end},
            "status": found.status,
            "attainment": found.attainment,
            "error_budget": found.budget,
            "burn_rates": found.burn_rates,
            "time_to_exhaustion": found.exhaustion_s,
            "coverage": found.coverage,
            "events": found.events,
            "alerts": found.verdicts,
            "warnings": found.warnings,
        }
    )
