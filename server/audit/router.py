"""/v1/audit."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Response
from starlette.requests import Request

from novaql.server.audit import download, service
from novaql.server.audit.schema import (
    AuditEntryOut,
    AuditQuery,
    CreateExport,
    EntriesOut,
    ExportOut,
)
from novaql.server.audit.tables import AuditExport
from novaql.server.clock import to_ms
from novaql.server.db.unit import Unit
from novaql.server.http.dependencies import (
    ADMIN,
    READ_ONLY,
    BaseUrl,
    Caller,
    Pages,
    ResourceId,
    UnitOfWork,
)
from novaql.server.http.preparing import checked
from novaql.server.http.routing import api_router, audited, cached

router = api_router("/v1/audit", "audit")


async def small_file(request: Request, body: CreateExport) -> service.File | None:
    """Write the file of a small export; None: a job writes the export."""
    return await checked(request, body, service.prepare)


@router.get("", dependencies=[READ_ONLY])
@cached(by="rows")
def list_entries(
    unit: UnitOfWork, pages: Pages, caller: Caller, query: Annotated[AuditQuery, Query()]
) -> EntriesOut:
    """Search the audit log, newest entries first."""
    page = service.find(unit, pages, query)
    return EntriesOut.of(page, lambda entry: AuditEntryOut.of(entry, caller.role))


@router.post(
    "/export", status_code=201, responses={202: {"model": ExportOut}}, dependencies=[ADMIN]
)
@audited("audit.export")
def create_export(
    unit: UnitOfWork,
    body: CreateExport,
    file: Annotated[service.File | None, Depends(small_file)],
    caller: Caller,
    base_url: BaseUrl,
    response: Response,
) -> ExportOut:
    """Export entries to a file. The status is 201 if the file is ready, 202 if a job writes it."""
    export = service.create(unit, body, file, caller)
    if export.status == "ready":
        response.headers["Location"] = f"/v1/audit/exports/{export.id}"
    else:
        response.status_code = 202
    return _shown(unit, export, base_url)


@router.get("/exports/{id}", dependencies=[ADMIN])
def get_export(unit: UnitOfWork, id: ResourceId, base_url: BaseUrl) -> ExportOut:
    """An export; a ready one contains the URL of its file."""
    return _shown(unit, unit.get(AuditExport, id, "export"), base_url)


@router.get("/{id}", dependencies=[READ_ONLY])
@cached(by="rows")
def get_entry(unit: UnitOfWork, id: ResourceId, caller: Caller) -> AuditEntryOut:
    """An entry with its difference and the request that caused it."""
    return AuditEntryOut.of(service.get(unit, id), caller.role)


def _shown(unit: Unit, export: AuditExport, base_url: str) -> ExportOut:
    url = None
    if export.status == "ready":
        signed = service.signed_part(unit.tenant_id, export.id, export.expires_at)
        signature = download.signature(unit.keys.signing_keys(download.PURPOSE), signed)
        expires = to_ms(export.expires_at)
        path = f"/v1/audit/exports/{export.id}/content"
        url = f"{base_url}{path}?expires={expires}&signature={signature}"
    names = ExportOut.model_fields.keys() - {"download_url"}
    return ExportOut(**{name: getattr(export, name) for name in names}, download_url=url)
