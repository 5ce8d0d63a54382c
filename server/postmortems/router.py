"""/v1/incidents/{id}/postmortem."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from novaql.server.errors import NotAcceptable
from novaql.server.http.accept import best_of
from novaql.server.http.answers import encoded, or_unchanged
from novaql.server.http.cache import cached_response
from novaql.server.http.dependencies import (
    READ_ONLY,
    SAMPLES,
    ApiVersion,
    ResourceId,
    Server,
)
from novaql.server.http.routing import api_router
from novaql.server.http.unit_of_work import in_unit
from novaql.server.postmortems.draft import draft
from novaql.server.postmortems.evidence import Evidence
from novaql.server.postmortems.load import load
from novaql.server.postmortems.measuring import measured
from novaql.server.postmortems.schema import PostmortemOut
from novaql.server.postmortems.shown import as_markdown, as_model
from novaql.server.tenants.context import ServerContext

MARKDOWN = "text/markdown"
_FORMS = {"json": "application/json", "markdown": MARKDOWN}
router = api_router("/v1/incidents", "incidents")


@router.get(
    "/{id}/postmortem",
    response_model=PostmortemOut,
    dependencies=[READ_ONLY, SAMPLES],
    responses={
        200: {"content": {MARKDOWN: {}}},
        304: {"description": "The client has this draft"},
        406: {"description": "Only JSON and Markdown can be written"},
    },
)
async def get_incident_postmortem(
    request: Request, id: ResourceId, version: ApiVersion, server: Server
) -> Response:
    """The draft of a postmortem, written from evidence, as JSON or with `Accept: text/markdown`.

    The evidence is the timeline, the alerts, the samples of the affected services around the start,
    and changes of their configuration before it. Each statement names its evidence, and each query
    is in the answer. `root_cause` is null unless a comment or the resolution states one as
    `root cause: …`. `draft_incomplete` means that some data is missing: `missing` lists it. The
    same evidence leads to the same draft and the same entity tag. Scraped samples of the last ten
    seconds may be missing; samples that a client has written are not.
    """
    accept = request.headers.get("accept", "")
    form = best_of(accept, _FORMS)
    if form is None:
        raise NotAcceptable(f"none of {accept!r} can be written; there is JSON and {MARKDOWN}")
    read = partial(_written, id=id, form=form, version=version, server=server)
    return or_unchanged(request, await cached_response(request, "samples", read))


async def _written(
    request: Request, *, id: str, form: str, version: str, server: ServerContext
) -> Response:
    """Return the draft in a form."""
    settings = server.settings
    loaded = await in_unit(request, partial(load, incident_id=id))
    queries = await measured(request, loaded.planned, loaded.window, settings)
    evidence = Evidence(
        loaded.incident,
        loaded.entries,
        loaded.alerts,
        loaded.services,
        loaded.related,
        queries,
        loaded.window,
        loaded.missing,
    )

    def written() -> Response:
        found = draft(evidence, timedelta(seconds=settings.postmortem_slow_ack_s))
        headers = {"Vary": "Accept", "Cache-Control": "private, no-cache"}
        if form == "markdown":
            body = as_markdown(evidence, found).encode()
            headers["Content-Type"] = f"{MARKDOWN}; charset=utf-8"
        else:
            recorded = encoded(as_model(evidence, found), 200, headers, version, request.url.path)
            body, headers = recorded.body, dict(recorded.headers)
        headers["ETag"] = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
        return Response(body, headers=headers)

    # In a thread: a long timeline takes half a second.
    return await server.pools.readers.run(written, tenant=server.tenant_id)
