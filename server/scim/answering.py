"""One SCIM request, answered by scim2-server over the tenant's tables."""

from __future__ import annotations

import re
from typing import Any

from scim2_models import SCIMException
from scim2_server.handler import ScimHandler
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse
from starlette.requests import Request

from server.platform.context import ServerContext, origin_of, principal_of
from server.scim.member_patch import change_members, member_changes
from server.scim.provider import scim_service
from server.scim.quirks import plainly
from server.scim.storage import TenantStorage

_ELSEWHERE = re.compile(r"\s*\[type=\w+[^\]]*\]|\s*For further information visit \S+")
"""What pydantic adds for who writes the server; clients are told what is wrong."""


def answered(request: Request, context: ServerContext, told: dict[str, Any]) -> ScimResponse:
    """One request in one transaction; an error undoes it whole."""
    asked = plainly(ScimRequest(**told, subject=principal_of(request)))
    service = scim_service()
    actor, origin = context.actor_of(principal_of(request)), origin_of(request)
    writes = request.method != "GET"
    try:
        with context.unit(actor, origin, writes=writes) as unit:
            storage = TenantStorage(unit, service.provider)
            of_members = member_changes(asked)
            if of_members is not None:
                done = change_members(storage.groups, *of_members)
            else:
                done = ScimHandler(service, storage).handle(asked)
    except SCIMException as refused:
        done = service.error_response(refused)
    if done.body is not None and isinstance(detail := done.body.get("detail"), str):
        done.body["detail"] = _ELSEWHERE.sub("", detail)
    done.headers.setdefault("Location", asked.url)
    done.headers.setdefault("Cache-Control", "no-cache")
    return done
