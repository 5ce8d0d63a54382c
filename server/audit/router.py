"""/v1/audit."""

from __future__ import annotations

from novaql.server.audit import download, service
from novaql.server.audit.schema import (
    AskExport,
    AuditQuery,
    EntriesOut,
    EntryOut,
    ExportOut,
)
from novaql.server.audit.tables import AuditExport
from novaql.server.platform.calls import Answer, Call, accepted, created, listed, ok, operation
from novaql.server.platform.clock import to_ms
from novaql.server.platform.endpoint import Endpoint
from novaql.server.platform.scopes import Role


def list_entries(call: Call) -> Answer:
    """Search the audit log, the newest first."""
    role = call.principal.role
    return listed(service.find(call, call.query(AuditQuery)), lambda row: EntryOut.of(row, role))


def get_entry(call: Call) -> Answer:
    """One entry with its difference and the request it came from."""
    return ok(EntryOut.of(service.get(call, call.name("id")), call.principal.role))


def ask_export(call: Call) -> Answer:
    """Export entries as a file. 201 when it is ready, 202 while it is being written."""
    export = service.ask(call, call.body(AskExport))
    shown = _shown(call, export)
    if export.status == "ready":
        return created(shown, f"/v1/audit/exports/{export.id}")
    return accepted(shown)


def get_export(call: Call) -> Answer:
    """An export, and the URL of its file once it is ready."""
    return ok(_shown(call, call.get(AuditExport, call.name("id"), "export")))


def _shown(call: Call, export: AuditExport) -> ExportOut:
    url = None
    if export.status == "ready":
        signed = service.signed_part(call.tenant_id, export.id, export.expires_at)
        signature = download.signature(call.keys.signing_keys(download.PURPOSE), signed)
        expires = to_ms(export.expires_at)
        url = call.url_of(
            f"/v1/audit/exports/{export.id}/content?expires={expires}&signature={signature}"
        )
    names = [name for name in ExportOut.model_fields if name != "download_url"]
    shown = {name: getattr(export, name) for name in names}
    return ExportOut.model_validate({**shown, "download_url": url})


ENDPOINTS: tuple[Endpoint, ...] = (
    operation(
        "GET",
        "/v1/audit",
        list_entries,
        role=Role.READ_ONLY,
        tag="audit",
        query=AuditQuery,
        answer=EntriesOut,
        steady=True,
    ),
    operation(
        "POST",
        "/v1/audit/export",
        ask_export,
        role=Role.ADMIN,
        tag="audit",
        action="audit.export",
        body=AskExport,
        prepare=service.prepare,
        answer=ExportOut,
        success=201,
        answers={202: ExportOut},
        example={
            "from": "2026-04-01T00:00:00Z",
            "to": "2026-05-01T00:00:00Z",
            "format": "csv",
        },
    ),
    operation(
        "GET",
        "/v1/audit/exports/{id}",
        get_export,
        role=Role.ADMIN,
        tag="audit",
        answer=ExportOut,
    ),
    *download.ENDPOINTS,
    operation(
        "GET",
        "/v1/audit/{id}",
        get_entry,
        role=Role.READ_ONLY,
        tag="audit",
        answer=EntryOut,
        steady=True,
    ),
)
