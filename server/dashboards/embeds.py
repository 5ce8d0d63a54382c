"""Embedded panels: a URL that shows one panel until it expires or is revoked.

The URL is also invalid while its creator is deactivated, deleted, or not an operator.

The URL contains a secret, and the database stores its digest. The panel shows the default values of
variables; the viewer cannot choose others. Only pages of the named origins may frame it.
"""

from __future__ import annotations

import hmac
import html
import secrets
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response

from novaql import export
from novaql.server.auth.roles import Principal, Role
from novaql.server.crypto.token_secrets import digest_of
from novaql.server.dashboards.live import PanelDataOut
from novaql.server.dashboards.panel_data import (
    DataQuery,
    Run,
    answer,
    data_of,
    in_turn,
    load,
    window_in,
)
from novaql.server.dashboards.panel_formats import page_memory
from novaql.server.dashboards.panel_model import Shown as ShownPanel
from novaql.server.dashboards.tables import Panel, PanelEmbed
from novaql.server.db.rows import Tenant
from novaql.server.db.tables import User
from novaql.server.db.tenant_limits import check_limit
from novaql.server.db.unit import Origin, system_actor
from novaql.server.errors import Forbidden, Gone, invalid, not_found
from novaql.server.http.dependencies import (
    OPERATOR,
    READ_ONLY,
    SAMPLES,
    BaseUrl,
    Caller,
    ResourceId,
    UnitOfWork,
)
from novaql.server.http.formats import MEDIA, format_of
from novaql.server.http.request import context_of
from novaql.server.http.routing import api_router, audited
from novaql.server.http.shapes import Body, Duration, ResponseModel, Timestamp, example
from novaql.server.query.answer_memory import reserving
from novaql.server.tenants.context import ServerContext

router = api_router("/v1", "dashboards")
REFUSALS: dict[int | str, dict[str, Any]] = {
    403: {"description": "The URL opens nothing"},
    410: {"description": "The URL has expired"},
    422: {"description": "A query cannot be carried out"},
}
USUAL, LONGEST = timedelta(days=30), timedelta(days=366)
HostName = Annotated[
    str,
    Field(
        pattern=r"^https?://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?$", examples=["https://wiki.example"]
    ),
]


class MakeEmbed(Body):
    """The origins that may frame the panel, and the expiry."""

    model_config = example({"origins": ["https://wiki.example"], "expires_in": "7d"})

    origins: Annotated[list[HostName], Field(max_length=20)] = Field(
        default_factory=list, description="pages that may frame it; empty: none may"
    )
    expires_in: Duration | None = Field(None, description="a year at most; absent: 30 days")


class EmbedOut(ResponseModel):
    """An embedding, without its secret."""

    id: str
    panel_id: str
    origins: list[str]
    expires_at: Timestamp
    revoked_at: Timestamp | None
    created_at: Timestamp
    created_by: str


class MadeEmbed(EmbedOut):
    """A new embedding, with the URLs of the panel. No other answer contains them."""

    token: str
    page_url: str
    data_url: str


class EmbedsOut(ResponseModel):
    """The embeddings of a panel, oldest first."""

    data: list[EmbedOut]


class EmbedPageQuery(Body):
    """The parameters in the URL."""

    token: str = Field(min_length=1, max_length=128, description="the secret of the embedding")


class EmbedQuery(DataQuery, EmbedPageQuery):
    """The parameters in the URL, and the time range."""


@router.post("/panels/{id}/embeds", status_code=201, dependencies=[OPERATOR])
@audited("panel.embed")
def make_embed(
    unit: UnitOfWork, id: ResourceId, body: MakeEmbed, caller: Caller, base_url: BaseUrl
) -> MadeEmbed:
    """Create a URL that shows this panel to anyone who has the URL, until it expires or is
    revoked."""
    panel = unit.get(Panel, id, "panel", lock=True)
    lives = USUAL if body.expires_in is None else body.expires_in
    if not timedelta(0) < lives <= LONGEST:
        raise invalid("/expires_in", "must be more than 0s, at most 366d")
    secret, now = secrets.token_urlsafe(32), unit.now()
    live = (PanelEmbed.revoked_at.is_(None), PanelEmbed.expires_at > now)
    check_limit(unit, "max_embeds", PanelEmbed, *live)
    row = unit.new(
        PanelEmbed,
        "emb",
        panel_id=panel.id,
        origins=sorted(set(body.origins)),
        digest=digest_of(secret),
        expires_at=now + lives,
        created_by=caller.user_id,
    )
    unit.session.add(row)
    unit.session.flush()
    shown = EmbedOut.model_validate(row)
    unit.audit("panel.embed", ("panel", panel.id), after=shown.model_dump(mode="json"))
    base = f"{base_url}/v1/embeds/{row.id}"
    return MadeEmbed(
        **shown.model_dump(),
        token=secret,
        page_url=f"{base}/page?token={secret}",
        data_url=f"{base}/data?token={secret}",
    )


@router.get("/panels/{id}/embeds", dependencies=[READ_ONLY])
def list_embeds(unit: UnitOfWork, id: ResourceId) -> EmbedsOut:
    """The embeddings of a panel, without their secrets."""
    panel = unit.get(Panel, id, "panel")
    rows = select(PanelEmbed).where(PanelEmbed.panel_id == panel.id)
    found = unit.session.execute(rows.order_by(PanelEmbed.created_at, PanelEmbed.id)).scalars()
    return EmbedsOut(data=[EmbedOut.model_validate(row) for row in found])


@router.delete("/panels/{id}/embeds/{embed_id}", status_code=204, dependencies=[OPERATOR])
@audited("panel.revoke_embed")
def revoke_embed(unit: UnitOfWork, id: ResourceId, embed_id: ResourceId) -> None:
    """Revoke an embedding. Its URLs are invalid at once. 404 if it is revoked already."""
    panel = unit.get(Panel, id, "panel")
    row = unit.get(PanelEmbed, embed_id, "embed", lock=True)
    if row.panel_id != panel.id or row.revoked_at is not None:
        raise not_found("embed", row.id, unit.tenant_name)
    before = EmbedOut.model_validate(row).model_dump(mode="json")
    row.revoked_at = unit.now()
    unit.touch(row)
    after = EmbedOut.model_validate(row).model_dump(mode="json")
    unit.audit("panel.revoke_embed", ("panel", panel.id), before=before, after=after)


@router.get(
    "/embeds/{id}/data",
    response_model=PanelDataOut,
    dependencies=[SAMPLES],
    responses=REFUSALS
    | {
        200: {"content": {"text/csv": {}, "application/vnd.apache.arrow.stream": {}}},
        406: {"description": "No form of the data is acceptable"},
    },
)
async def get_embedded_data(
    request: Request, id: ResourceId, query: Annotated[EmbedQuery, Query()]
) -> Response:
    """The data of an embedded panel. The URL authorizes the request until it expires."""
    scoped, shown, _ = await _opened(request, id, query.token)
    form = format_of(query.format, request.headers.get("accept", ""))
    content = await data_of(request, scoped, shown, query, {}, form)
    headers = {"Cache-Control": "no-store", "Content-Type": MEDIA[form], "Vary": "Accept"}
    return Response(content, headers=headers | _QUIET)


@router.get(
    "/embeds/{id}/page",
    response_class=Response,
    dependencies=[SAMPLES],
    responses=REFUSALS | {200: {"content": {"text/html": {}}}},
)
async def get_embedded_page(
    request: Request, id: ResourceId, query: Annotated[EmbedPageQuery, Query()]
) -> Response:
    """A page that shows an embedded panel. Only pages of the named origins may frame it."""
    scoped, shown, origins = await _opened(request, id, query.token)
    window = window_in(scoped, shown.time_range, DataQuery.model_validate({}))

    def work(run: Run) -> str:
        if shown.spec["type"] == "text":
            return f"<pre>{html.escape(shown.spec['text'] or '')}</pre>"
        answered, _ = answer(run, shown, {})
        with reserving(scoped, run.cancellation, "the page of the panel") as reserve:
            reserve(page_memory(answered))
            return "\n".join(export.html_of(each.result) for each in answered)

    inside = await in_turn(request, scoped, window, work)
    title = html.escape(shown.title)
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
        f"<body><h1>{title}</h1>{inside}</body></html>"
    )
    framing = " ".join(origins) or "'none'"
    policy = f"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors {framing}"
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": policy}
    return Response(page, headers=headers | _QUIET, media_type="text/html")


_QUIET = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


async def _opened(
    request: Request, key: str, token: str
) -> tuple[ServerContext, ShownPanel, list[str]]:
    context = context_of(request)
    try:
        opened = await context.pools.state.run(lambda: _open(context, key, token))
    except Forbidden:
        await context.access.unauthenticated_limit.count(request)
        raise
    request.scope["state"]["context"] = opened[0]  # the tenant of the request from here on
    # The minute quota of a token, shared by all viewers of the URL.
    wanted = [(q, key) for q in context.access.quota_plan.get("api", ()) if q.window_s == 60]
    if wanted and context.access.quotas.spend_at_once(wanted) is None:
        await context.pools.state.run(
            lambda: context.access.quotas.spend(wanted), tenant=opened[0].tenant_id
        )
    return opened


def _open(
    context: ServerContext, key: str, token: str
) -> tuple[ServerContext, ShownPanel, list[str]]:
    """Open an embedding. Returns the context of its tenant, its panel, and the allowed origins."""
    refused = Forbidden("this URL opens nothing", code="invalid_embed")
    with context.database.read(None) as session:
        found = session.execute(
            select(PanelEmbed, Tenant, User)
            .join(Tenant, Tenant.id == PanelEmbed.tenant_id)
            .outerjoin(User, User.id == PanelEmbed.created_by)
            .where(PanelEmbed.id == key)
        ).one_or_none()
        if found is None or not hmac.compare_digest(found[0].digest, digest_of(token)):
            raise refused
        embed, tenant, maker = found
        if embed.revoked_at is not None or not _may_embed(context, embed, maker):
            raise refused
        if context.clock.now() >= embed.expires_at:
            raise Gone("this URL has expired", code="embed_expired")
        principal = Principal(
            id=embed.id,
            name="embedded panel",
            role=Role.READ_ONLY,
            api_version=context.access.default_principal.api_version,
            tenant_id=tenant.id,
            tenant_name=tenant.name,
            user_id=embed.created_by,
            user_name="embedded panel",
            limits=tenant.limits,
        )
        panel_id, origins = embed.panel_id, list(embed.origins)
    scoped = context.scoped(principal)
    with scoped.unit(system_actor("panel.embed"), Origin(key), writes=False) as unit:
        shown = load(unit, panel_id)
    assert scoped.store is not None  # `scoped` opened the store here, off the event loop
    return scoped, shown, origins


def _may_embed(context: ServerContext, embed: PanelEmbed, maker: User | None) -> bool:
    """Whether the creator may still create it: active, and at least an operator."""
    if maker is None:  # created while the server required no tokens
        return (
            context.access.accounts is None
            and embed.created_by == context.access.default_principal.user_id
        )
    return maker.status == "active" and Role(maker.role).covers(Role.OPERATOR)
