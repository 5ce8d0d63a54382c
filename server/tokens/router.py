"""/v1/tokens."""

from __future__ import annotations

from novaql.server.platform.calls import Answer, Call, created, listed, no_content, ok, operation
from novaql.server.platform.endpoint import Endpoint
from novaql.server.platform.scopes import Role
from novaql.server.tokens import service
from novaql.server.tokens.schema import IssuedOut, IssueToken, TokenOut, TokenQuery, TokensOut


def list_tokens(call: Call) -> Answer:
    """The tokens of the tenant that are not revoked, without their secrets."""
    page = service.find(call, call.query(TokenQuery))
    owners = service.owners(call, page.rows)
    return listed(page, lambda token: TokenOut.of(token, owners[token.owner_id]))


def issue_token(call: Call) -> Answer:
    """Issue a token. Its secret is in this answer and nowhere else."""
    token, secret = service.create(call, call.body(IssueToken))
    owner = service.owners(call, [token])[token.owner_id]
    shown = IssuedOut(**TokenOut.of(token, owner).model_dump(), token=secret)
    return created(shown, f"/v1/tokens/{token.id}")


def get_token(call: Call) -> Answer:
    """One token, without its secret."""
    token = service.get(call, call.name("id"))
    return ok(TokenOut.of(token, service.owners(call, [token])[token.owner_id]))


def rotate_token(call: Call) -> Answer:
    """Give a token a new secret, shown this once; the old one works for an hour more.

    Rotating again within the hour ends the oldest secret at once. A revoked or expired token
    is a 409.
    """
    token, secret = service.renew(call, call.name("id"))
    owner = service.owners(call, [token])[token.owner_id]
    return ok(IssuedOut(**TokenOut.of(token, owner).model_dump(), token=secret))


def revoke_token(call: Call) -> Answer:
    """Revoke a token. It is refused from the next request on."""
    service.end(call, call.name("id"))
    return no_content()


ENDPOINTS: tuple[Endpoint, ...] = (
    operation(
        "GET",
        "/v1/tokens",
        list_tokens,
        role=Role.ADMIN,
        tag="tokens",
        query=TokenQuery,
        answer=TokensOut,
        steady=True,
    ),
    operation(
        "POST",
        "/v1/tokens",
        issue_token,
        role=Role.ADMIN,
        tag="tokens",
        action="token.create",
        body=IssueToken,
        answer=IssuedOut,
        success=201,
        example={"name": "ci", "role": "read_only"},
    ),
    operation(
        "GET",
        "/v1/tokens/{id}",
        get_token,
        role=Role.ADMIN,
        tag="tokens",
        answer=TokenOut,
        steady=True,
    ),
    operation(
        "POST",
        "/v1/tokens/{id}/rotate",
        rotate_token,
        role=Role.ADMIN,
        tag="tokens",
        action="token.rotate",
        answer=IssuedOut,
    ),
    operation(
        "DELETE",
        "/v1/tokens/{id}",
        revoke_token,
        role=Role.ADMIN,
        tag="tokens",
        action="token.revoke",
        success=204,
    ),
)
