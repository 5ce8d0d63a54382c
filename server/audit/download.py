"""/v1/audit/exports/{id}/content: download an exported file with a signed URL."""

from __future__ import annotations

import gzip
import hmac
import io
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from fastapi import Query, Response
from starlette.requests import Request

from novaql.server.audit.schema import DownloadQuery
from novaql.server.audit.service import signed_part
from novaql.server.audit.tables import AuditExport
from novaql.server.audit.writing import MEDIA
from novaql.server.auth.roles import Role
from novaql.server.clock import to_ms
from novaql.server.db.tables import Token, User
from novaql.server.errors import Conflict, Forbidden, Gone
from novaql.server.http.dependencies import ResourceId
from novaql.server.http.request import context_of
from novaql.server.http.routing import api_router
from novaql.server.http.streaming import LARGE_PIECE, Begun, begin, pieces_response
from novaql.server.tenants.context import ServerContext

PURPOSE = "audit-export"
router = api_router("/v1/audit/exports", "audit")


def signature(context_keys: list[bytes], signed: bytes) -> str:
    """Sign a download URL with the newest key."""
    return hmac.new(context_keys[0], signed, "sha256").hexdigest()


@router.get(
    "/{id}/content",
    response_class=Response,
    response_model=None,
    responses={200: {"content": {"text/csv": {}}}, 403: {}, 409: {}, 410: {}},
)
async def download_export(
    request: Request, id: ResourceId, query: Annotated[DownloadQuery, Query()]
) -> Response:
    """Download the file of an export. The signed URL authenticates the request until it expires.

    The server rejects the URL after the token that created the export is revoked or expires, and
    while the user of the token is deactivated or not an administrator.
    """
    context = context_of(request)
    export = await context.pools.state.run(lambda: _opened(context, id, query))
    packed = export.content
    if packed is None:
        raise Conflict("the export is still being written", code="export_pending")

    def start() -> Begun:
        return begin(_pieces(packed), context.tuning.answer_at_once)

    begun = await context.pools.state.run(start, tenant=export.tenant_id)
    media_type = MEDIA[export.format]
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{export.id}.{export.format}"',
        "X-Content-Type-Options": "nosniff",
    }
    return pieces_response(begun, context.pools.queries, media_type=media_type, headers=headers)


def _opened(context: ServerContext, export_id: str, query: DownloadQuery) -> AuditExport:
    refused = Forbidden("this URL opens nothing", code="invalid_signature")
    with context.database.read(None) as session:
        export = session.get(AuditExport, export_id)
        if export is None:
            raise refused
        signed = signed_part(export.tenant_id, export.id, export.expires_at)
        good = [
            hmac.compare_digest(signature([key], signed).encode(), query.signature.encode())
            for key in context.keys.signing_keys(PURPOSE)
        ]
        if not any(good) or query.expires != str(to_ms(export.expires_at)):
            raise refused
        now = context.clock.now()
        if now >= export.expires_at:
            raise Gone("this URL has expired; request the export again", code="export_expired")
        if context.access.accounts is not None:
            token = session.get(Token, export.token_id)
            creator = session.get(User, export.creator_id)
            if token is None or creator is None or not _may_export(token, creator, now):
                raise refused
        assert export.content is None or isinstance(export.content, bytes)  # loads deferred column
        session.expunge(export)
        return export


def _may_export(token: Token, creator: User, now: datetime) -> bool:
    """Return whether the token that created an export could still create one."""
    return (
        token.revoked_at is None
        and (token.expires_at is None or token.expires_at > now)
        and creator.status == "active"
        and creator.role == Role.ADMIN
    )


def _pieces(packed: bytes) -> Iterator[bytes]:
    """Decompress a file piece by piece, because it can be as large as the audit log."""
    with gzip.open(io.BytesIO(packed)) as file:
        while piece := file.read(LARGE_PIECE):
            yield piece
