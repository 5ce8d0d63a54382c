"""/v1/tokens."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response

from novaql.server.http.dependencies import (
    ADMIN,
    ApiVersion,
    Caller,
    Pages,
    ResourceId,
    UnitOfWork,
)
from novaql.server.http.routing import api_router, audited, cached
from novaql.server.tokens import service
from novaql.server.tokens.schema import IssuedOut, IssueToken, TokenOut, TokenQuery, TokensOut

router = api_router("/v1/tokens", "tokens")


@router.get("", dependencies=[ADMIN])
@cached(by="rows")
def list_tokens(unit: UnitOfWork, pages: Pages, query: Annotated[TokenQuery, Query()]) -> TokensOut:
    """The tokens of the tenant that are not revoked, without their secrets."""
    page = service.find(unit, pages, query)
    owners = service.owners(unit, page.rows)
    return TokensOut.of(page, lambda token: TokenOut.of(token, owners[token.owner_id]))


@router.post("", status_code=201, dependencies=[ADMIN])
@audited("token.create")
def issue_token(
    unit: UnitOfWork,
    body: IssueToken,
    caller: Caller,
    version: ApiVersion,
    response: Response,
) -> IssuedOut:
    """Issue a token. Only this answer contains its secret."""
    token, secret = service.create(unit, body, caller, version)
    response.headers["Location"] = f"/v1/tokens/{token.id}"
    owner = service.owners(unit, [token])[token.owner_id]
    return IssuedOut(**TokenOut.of(token, owner).model_dump(), token=secret)


@router.get("/{id}", dependencies=[ADMIN])
@cached(by="rows")
def get_token(unit: UnitOfWork, id: ResourceId) -> TokenOut:
    """A token, without its secret."""
    token = service.get(unit, id)
    return TokenOut.of(token, service.owners(unit, [token])[token.owner_id])


@router.post("/{id}/rotate", dependencies=[ADMIN])
@audited("token.rotate")
def rotate_token(unit: UnitOfWork, id: ResourceId) -> IssuedOut:
    """Rotate the secret of a token. The old secret stays valid for an hour.

    Only this answer contains the new secret. Another rotation within the hour invalidates the
    oldest secret at once. The answer for a revoked or expired token is a 409.
    """
    token, secret = service.renew(unit, id)
    owner = service.owners(unit, [token])[token.owner_id]
    return IssuedOut(**TokenOut.of(token, owner).model_dump(), token=secret)


@router.delete("/{id}", status_code=204, dependencies=[ADMIN])
@audited("token.revoke")
def revoke_token(unit: UnitOfWork, id: ResourceId) -> None:
    """Revoke a token. The server rejects it from the next request on."""
    service.end(unit, id)
