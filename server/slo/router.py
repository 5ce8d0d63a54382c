"""/v1/slo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from novaql.errors import QueryError
from novaql.server.platform.calls import Answer, Call, Outside, created, no_content, ok, operation
from novaql.server.platform.catalog.lookup import service_named
from novaql.server.platform.catalog.tables import Service
from novaql.server.platform.cursors import Key
from novaql.server.platform.endpoint import Endpoint
from novaql.server.platform.errors import InvalidRequest, ServerError, not_found
from novaql.server.platform.measuring import Meter
from novaql.server.platform.preparing import Preparation
from novaql.server.platform.scopes import Role
from novaql.server.platform.tenant_limits import limit_reached
from novaql.server.slo import service as slos
from novaql.server.slo.openslo import NotTaken, Read, read_documents
from novaql.server.slo.posture import Posture, posture, postures
from novaql.server.slo.rules import prometheus_rules
from novaql.server.slo.schema import (
    BudgetOut,
    HistoryOut,
    ImportedOut,
    ImportSlos,
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


def list_slos(call: Call) -> Answer:
    """The objectives of all services, each with its posture now."""
    query = call.query(SloQuery)
    meter = Meter(call.context, call.now())
    page = call.page(select(Slo).where(Slo.archived_at.is_(None)), KEYS)
    shown = [_shown(posture(slo, meter)).model_dump(mode="json") for slo in page.rows]
    data: list[dict[str, Any]] = [
        one for one in shown if query.status is None or one["status"] == query.status
    ]
    if query.include_unconfigured and page.next_cursor is None:
        data += _unconfigured(call)
    answer: dict[str, Any] = {"data": data}
    if page.next_cursor is not None:
        answer["next_cursor"] = page.next_cursor
    return ok(answer)


def get_slo(call: Call) -> Answer:
    """The objectives of one service: attainment, error budget, burn rates."""
    service = service_named(call, call.name("service"))
    wanted = call.query(OneServiceQuery).slo
    meter = Meter(call.context, call.now())
    found = [
        _shown(p)
        for p in postures(call, meter, service.name)
        if wanted is None or p.slo.name == wanted
    ]
    if wanted is not None and not found:
        raise not_found("slo", f"{service.name}/{wanted}", call.tenant_name)
    return ok(ServiceSlosOut(service=service.name, slos=found))


def set_slo(call: Call) -> Outside:
    """Set an objective: 201 for a new one, 200 for a change made from its `version`."""
    service = call.name("service")
    slo, new = slos.set_slo(call, service, call.prepared)
    call.session.flush()
    # Measured after the transaction: queries over a month of samples are not to hold up writers.
    apart, meter = slos.apart(slo), Meter(call.context, call.now())

    def finish(_: Call, found: Posture) -> Answer:
        shown = _shown(found)
        return created(shown, f"/v1/slo/{service}") if new else ok(shown)

    return Outside(lambda: posture(apart, meter), finish)


def delete_slo(call: Call) -> Answer:
    """Archive an objective. What it has said stays in its history."""
    slos.remove(call, call.name("service"), call.name("name"))
    return no_content()


def slo_history(call: Call) -> Answer:
    """What an objective has said since when, the newest first."""
    slo = _one(call)
    terms = [
        TermOut.model_validate({f: getattr(term, f) for f in TermOut.model_fields})
        for term in slos.history(call, slo)
    ]
    return ok(HistoryOut(service=slo.service, name=slo.name, terms=terms))


def slo_rules(call: Call) -> Answer:
    """The objective as a Prometheus rule file: Sloth's recording rules, and burn alerts."""
    text = prometheus_rules(_one(call))
    return Answer(200, text.encode(), media="application/yaml")


def import_slos(call: Call) -> Answer:
    """Take OpenSLO documents in. What cannot be taken is told, and the rest is."""
    made: list[str] = []
    changed: list[str] = []
    skipped: list[dict[str, str]] = []
    notes: list[dict[str, str]] = []
    documents: list[tuple[Read, slos.Checked | None]] = call.prepared
    for document, objective in documents:
        if objective is None:
            skipped.append({"name": document.name, "reason": document.problem})
            continue
        name = f"{document.service}/{objective.name}"
        known = slos.named(call, document.service, objective.name)
        if known is not None:
            objective = replace(objective, version=known.version)
        try:
            _, new = slos.set_slo(call, document.service, objective)
        except ServerError as problem:
            skipped.append({"name": document.name, "reason": problem.message})
            continue
        (made if new else changed).append(name)
        notes += [{"name": name, "note": note} for note in document.notes]
    call.audit(
        "slo.import",
        ("slo", "import"),
        after={"created": made, "updated": changed, "skipped": skipped},
    )
    return ok(ImportedOut(created=made, updated=changed, skipped=skipped, notes=notes))


def _prepare_import(asked: Preparation) -> list[tuple[Read, slos.Checked | None]]:
    """Every document, and the objective that it is."""
    found: list[tuple[Read, slos.Checked | None]] = []
    most = asked.context.settings.max_slos
    try:
        for document in read_documents(asked.body.document):
            asked.checkpoint()
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


def _one(call: Call) -> Slo:
    service = service_named(call, call.name("service"))
    slo = slos.named(call, service.name, call.name("name"))
    if slo is None:
        raise not_found("slo", f"{service.name}/{call.name('name')}", call.tenant_name)
    return slo


def _unconfigured(call: Call) -> Iterator[dict[str, Any]]:
    with_slo = select(Slo.service).where(Slo.archived_at.is_(None))
    statement = select(Service).where(Service.name.not_in(with_slo)).order_by(Service.name)
    for service in call.session.execute(statement).scalars():
        yield {"service": service.name, "status": "not_configured"}


def _shown(found: Posture) -> SloOut:
    slo, (begin, end) = found.slo, found.bounds
    window = slo.window
    text = window.get("rolling") or f"{window['period']} in {window['zone']}"
    budget = None
    if found.budget is not None:
        budget = BudgetOut.model_validate(
            {f: getattr(found.budget, f) for f in BudgetOut.model_fields}
        )
    return SloOut.model_validate(
        {
            **{name: getattr(slo, name) for name in _OWN},
            "window": {"text": text, "starts_at": begin, "ends_at": end},
            "status": found.status,
            "attainment": found.attainment,
            "error_budget": budget,
            "burn_rates": found.burn_rates,
            "time_to_exhaustion": found.exhaustion_s,
            "coverage": found.coverage,
            "events": found.events,
            "alerts": [
                {"severity": v.severity.value, "firing": v.firing, "reason": v.reason}
                for v in found.verdicts
            ],
            "warnings": found.warnings,
        }
    )


_OWN = (
    "id",
    "service",
    "name",
    "objective",
    "indicator",
    "min_events",
    "created_at",
    "updated_at",
    "version",
)

_EXAMPLE = {
    "objective": "0.999",
    "indicator": {
        "type": "ratio",
        "bad": 'http_requests_total{code=~"5.."}',
        "total": "http_requests_total",
    },
}

ENDPOINTS: tuple[Endpoint, ...] = (
    operation(
        "GET",
        "/v1/slo",
        list_slos,
        role=Role.READ_ONLY,
        tag="slo",
        query=SloQuery,
        answer=SlosOut,
        errors=(422,),
        samples=True,
        measured=True,
    ),
    operation(
        "POST",
        "/v1/slo/import",
        import_slos,
        role=Role.OPERATOR,
        tag="slo",
        action="slo.import",
        body=ImportSlos,
        prepare=_prepare_import,
        answer=ImportedOut,
        example={"document": "apiVersion: openslo/v1\nkind: SLO\n"},
    ),
    operation(
        "GET",
        "/v1/slo/{service}",
        get_slo,
        role=Role.READ_ONLY,
        tag="slo",
        query=OneServiceQuery,
        answer=ServiceSlosOut,
        errors=(422,),
        samples=True,
        measured=True,
    ),
    operation(
        "POST",
        "/v1/slo/{service}",
        set_slo,
        role=Role.OPERATOR,
        tag="slo",
        action="slo.save",
        body=SetSlo,
        prepare=slos.prepare,
        answer=SloOut,
        success=201,
        answers={200: SloOut},
        example=_EXAMPLE,
        samples=True,
    ),
    operation(
        "DELETE",
        "/v1/slo/{service}/{name}",
        delete_slo,
        role=Role.OPERATOR,
        tag="slo",
        action="slo.delete",
        success=204,
    ),
    operation(
        "GET",
        "/v1/slo/{service}/{name}/history",
        slo_history,
        role=Role.READ_ONLY,
        tag="slo",
        answer=HistoryOut,
        steady=True,
    ),
    operation(
        "GET",
        "/v1/slo/{service}/{name}/rules",
        slo_rules,
        role=Role.READ_ONLY,
        tag="slo",
        media=("application/yaml",),
        steady=True,
    ),
)
