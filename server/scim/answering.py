"""Answer SCIM requests with scim2-server, over the tenant's tables.

The server parses and validates bodies before a write transaction begins, and creates answers after
it ends: on SQLite, a write transaction blocks all other writers.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

from scim2_models import SCIMException
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse
from starlette.requests import Request

from novaql.server.http.request import origin_of, principal_of
from novaql.server.scim.groups import ScimGroups
from novaql.server.scim.handling import Handler
from novaql.server.scim.member_patch import change_members, check_operations, member_changes
from novaql.server.scim.provider import scim_service
from novaql.server.scim.quirks import plainly
from novaql.server.scim.storage import TenantStorage
from novaql.server.tenants.context import ServerContext

_ELSEWHERE = re.compile(r"\s*\[type=\w+[^\]]*\]|\s*For further information visit \S+")
"""Details for developers in pydantic's error messages, which answers omit."""


def answered(
    request: Request, context: ServerContext, fields: dict[str, Any], body: Any
) -> ScimResponse:
    """Answer one request, whose body is parsed. Each operation of a bulk request has its own
    transaction."""
    plain = plainly(request.method, body)
    if plain is not body:
        fields = {**fields, "body": json.dumps(plain).encode()}
    scim_request = ScimRequest(**fields, subject=principal_of(request))
    service = scim_service()
    begin = partial(context.unit, context.actor_of(principal_of(request)), origin_of(request))
    storage = TenantStorage(begin, service.provider, context.tuning.search_work)
    try:
        of_members = member_changes(scim_request, plain)
        if of_members is not None:
            with storage.rows("Group", writes=True) as groups:
                assert isinstance(groups, ScimGroups)
                done = change_members(groups, *of_members)
        else:
            check_operations(request.method, plain)
            done = Handler(service, storage).handle(scim_request)
    except SCIMException as refused:
        done = service.error_response(refused)
    if done.body is not None and isinstance(detail := done.body.get("detail"), str):
        done.body["detail"] = _ELSEWHERE.sub("", detail)
    done.headers.setdefault("Location", scim_request.url)
    done.headers.setdefault("Cache-Control", "no-cache")
    return done
