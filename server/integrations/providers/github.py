"""GitHub, and GitHub Enterprise Server: deployments as deploy events.

A sync reads the deployments of the chosen repositories, newest first, with the last status of each.
A hook receives `deployment` and `deployment_status` events at once. Both use the same external ids,
so a deployment has one row.

Documentation: docs.github.com, "Deployments", "Authorizing OAuth apps", "Validating webhook
deliveries". It has not been run against the real service.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import Field, model_validator

from novaql.server.clock import parse_time, rfc3339
from novaql.server.errors import invalid
from novaql.server.integrations.listing import check_size
from novaql.server.integrations.pointers import at_pointer
from novaql.server.integrations.provider import (
    NOT_UNDERSTOOD,
    Flow,
    HookCall,
    HookOutcome,
    HookSignature,
    Link,
    OAuthClient,
    Provider,
    ProviderFault,
    ProviderSettings,
    Reason,
    Resource,
    Secret,
    SyncPage,
    TargetUrl,
)

_WEB, _API = "https://github.com", "https://api.github.com"
_PAGE = 30
_OPEN = ("", "queued", "pending", "in_progress", "waiting")
"""Statuses of deployments that are not over; the next sync reads them again."""
_LOOK_BACK = timedelta(days=1)
"""How long a sync reads a deployment again, because its status changes."""
_STATUS = {"success": "succeeded", "failure": "failed", "error": "failed", "inactive": "superseded"}
Repository = Annotated[
    str, Field(max_length=140, pattern=r"^[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}$")
]


class GitHubSettings(ProviderSettings):
    """device, oauth: the client id (and secret) of an OAuth app; api_key: a token with read access
    to deployments."""

    flow: Literal["device", "oauth", "api_key"] = "device"
    client_id: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[!-~]+$")] | None = (
        None
    )
    client_secret: Secret | None = None
    token: Secret | None = None
    base_url: TargetUrl | None = Field(None, description="of GitHub Enterprise Server")
    repositories: Annotated[list[Repository], Field(min_length=1, max_length=50)]
    services: Annotated[
        dict[Repository, Annotated[str, Field(min_length=1, max_length=63)]], Field(max_length=50)
    ] = Field(
        default_factory=dict, description="repository → service; usual: the repository's name"
    )
    scopes: Annotated[
        list[Annotated[str, Field(max_length=50, pattern=r"^[!-~]+$")]], Field(max_length=10)
    ] = Field(default_factory=lambda: ["repo_deployment"])

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.flow == "api_key" and self.token is None:
            raise ValueError("the flow api_key needs a token")
        if self.flow != "api_key" and self.client_id is None:
            raise ValueError(f"the flow {self.flow} needs a client_id")
        if self.flow == "oauth" and self.client_secret is None:
            raise ValueError("the flow oauth needs a client_secret")
        return self


class GitHub(Provider):
    """Deployments by sync and by signed hooks; device flow, OAuth, or a token."""

    name = "github"
    title = "GitHub"
    verified = False
    flows = (Flow.DEVICE, Flow.OAUTH, Flow.API_KEY)
    kinds = ("repository", "deploy")
    Settings = GitHubSettings
    hooks = True
    hook_signature = HookSignature("X-Hub-Signature-256", hmac=True, prefix="sha256=")
    hook_id_header = "X-GitHub-Delivery"

    def base_url(self, settings: GitHubSettings) -> str:
        own = settings.base_url
        return _API if own is None else f"{own.rstrip('/')}/api/v3"

    def headers(self, settings: GitHubSettings, access_token: str | None) -> dict[str, str]:
        token = settings.token if settings.flow == "api_key" else access_token
        return {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            "Authorization": f"Bearer {token}",
        }

    def oauth(self, settings: GitHubSettings) -> OAuthClient:
        web = (settings.base_url or _WEB).rstrip("/")
        return OAuthClient(
            token_url=f"{web}/login/oauth/access_token",
            client_id=settings.client_id or "",
            client_secret=settings.client_secret,
            authorize_url=f"{web}/login/oauth/authorize",
            device_url=f"{web}/login/device/code",
            scopes=settings.scopes,
        )

    def test(self, link: Link) -> str:
        name = link.get("/user").json["login"]
        repository = link.settings.repositories[0]
        try:
            link.get(f"/repos/{repository}/deployments", {"per_page": 1})
        except ProviderFault as fault:
            if fault.status != 404:
                raise
            text = f"{name} cannot read the deployments of {repository}"
            raise ProviderFault(Reason.FORBIDDEN_SCOPE, text) from None
        return f"connected as {name}"

    def sync(self, link: Link, cursor: str | None) -> SyncPage:
        """The cursor is `{"since": …, "at": index of the repository, "page": …, "next": …}`: where
        this sync is, and from where the next one reads."""
        names = list(link.settings.repositories)
        place = _place(cursor, rfc3339(link.now - _LOOK_BACK), len(names))
        name, since = names[place["at"]], place["since"]
        resources: list[Resource] = []
        if place["page"] == 1:
            resources.append(_repository(link, name))
        query: dict[str, str | int] = {"per_page": _PAGE, "page": place["page"]}
        found = link.get(f"/repos/{name}/deployments", query).json
        check_size(found, _PAGE)
        fresh = [one for one in found if since is None or one["created_at"] >= since]
        for one in fresh:
            query = {"per_page": 1}
            statuses = link.get(f"/repos/{name}/deployments/{int(one['id'])}/statuses", query).json
            resources.append(_deploy(link.settings.services, name, one, next(iter(statuses), {})))
        if len(fresh) == _PAGE:
            following = {**place, "page": place["page"] + 1}
        else:
            following = {**place, "at": place["at"] + 1, "page": 1}
        more = following["at"] < len(names)
        if not more:
            following = {"since": place["next"], "at": 0, "page": 1, "next": None}
        return SyncPage(resources, orjson.dumps(following).decode(), more)

    def revoke(self, link: Link) -> None:
        settings: GitHubSettings = link.settings
        if settings.flow != "oauth" or link.access_token is None:
            return  # a token is revoked by its owner; without the secret nothing can be revoked
        pair = f"{settings.client_id}:{settings.client_secret}".encode()
        basic = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        content = {"access_token": link.access_token}
        link.delete(f"/applications/{settings.client_id}/grant", content, headers=basic)

    def check_hook(self, config: Mapping[str, Any]) -> None:
        for name in ("report", "signature", "message_id"):
            if config.get(name) is not None:
                raise invalid(f"/{name}", "GitHub prescribes it")
        if config["fields"]:
            raise invalid("/fields", "GitHub prescribes them")

    def read_hook(self, call: HookCall) -> HookOutcome:
        event = call.headers.get("x-github-event", "")
        if event not in ("deployment", "deployment_status"):
            return HookOutcome(note=f"the event {event[:50] or 'without a name'} is not used")
        name, one = _needed(call, "/repository/full_name"), at_pointer(call.body, "/deployment")
        _needed(call, "/deployment/created_at")
        if isinstance(at_pointer(call.body, "/deployment/id"), bool | str | None):
            raise invalid("/deployment/id", "must be a number")
        status = at_pointer(call.body, "/deployment_status") or {}
        if not isinstance(status, dict):
            raise invalid("/deployment_status", "must be an object")
        try:
            return HookOutcome(resources=[_deploy(call.config["services"], name, one, status)])
        except NOT_UNDERSTOOD as problem:
            raise invalid("/deployment", f"cannot be read: {type(problem).__name__}") from None


def _place(cursor: str | None, following: str, count: int) -> dict[str, Any]:
    """The position at which a sync continues. A list of repositories that became shorter begins
    again."""
    place: dict[str, Any] = {"since": None, "at": 0, "page": 1, "next": None}
    if cursor is not None:
        place |= orjson.loads(cursor)
    if place["at"] >= count:
        place |= {"at": 0, "page": 1}
    place["next"] = place["next"] or following
    return place


def _repository(link: Link, name: str) -> Resource:
    found = link.get(f"/repos/{name}").json
    data = {"default_branch": found.get("default_branch"), "archived": found.get("archived")}
    return Resource("repository", name, name, data, url=found.get("html_url"))


def _deploy(
    services: Mapping[str, str], name: str, one: Mapping[str, Any], status: Mapping[str, Any]
) -> Resource:
    """A deployment with its last status, by its ids in the API and in hooks."""
    state = str(status.get("state") or "")
    sha, ref = str(one.get("sha") or ""), str(one.get("ref") or "")
    creator = one.get("creator") or {}
    environment = str(one.get("environment") or "")
    return Resource(
        "deploy",
        f"{name}#{int(one['id'])}",
        f"{name} {ref or sha[:12]} to {environment or 'its environment'}",
        {
            "version": ref or sha,
            "sha": sha,
            "environment": environment,
            "status": "pending" if state in _OPEN else _STATUS.get(state, state),
            "creator": creator.get("login") if isinstance(creator, dict) else None,
            "description": str(one.get("description") or "")[:500],
        },
        service=services.get(name, name.rpartition("/")[2]),
        url=str(status.get("log_url") or "") or None,
        at=parse_time(one["created_at"]),
        revision=_revision(one, status),
    )


def _revision(one: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    """The time of the last status; of two in one second, the one with the larger id is later."""
    at = parse_time(status.get("created_at") or one["created_at"])
    return f"{rfc3339(at)} {int(status.get('id') or 0):020}"


def _needed(call: HookCall, pointer: str) -> str:
    value = at_pointer(call.body, pointer)
    if not isinstance(value, str) or not value:
        raise invalid(pointer, "must be a text")
    return value


GITHUB = GitHub()
