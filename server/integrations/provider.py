"""The interface of a provider. A provider can be written from this file alone.

A provider is one file in `providers`, with one class and one instance of it, and one line in
`providers/__init__.py`. All state is in the arguments; a method may run in several threads at once.

    class Acme(Provider):
        name = "acme"                    # part of paths: /v1/integrations/acme/…
        title = "Acme Deploys"           # for people
        verified = False                 # True: it has been run against the real service
        flows = (Flow.API_KEY,)          # how a client may connect; the first is the usual one
        kinds = ("service", "deploy")    # the kinds of resources that `sync` returns
        complete = ("service",)          # kinds that a whole sync lists completely
        Settings = AcmeSettings          # what a client sends to connect

        def test(self, link: Link) -> str:  # noqa: ARG002
            return f"connected as {link.get('/me').json['name']}"

        def sync(self, link: Link, cursor: str | None) -> SyncPage: ...

    ACME = Acme()

Settings
    A subclass of `ProviderSettings`. Mark a secret field with the type `Secret`: it is stored only
    sealed, and no answer shows it. A URL field has the type `TargetUrl`: the server rejects URLs
    in networks that are not public (422 `target_not_allowed`). Both are types of whole fields,
    optional ones too, and not inside of lists or other models. Every field needs bounds. A provider
    with several flows has a field `flow: Literal["api_key", "oauth"]` with a default. Rules between
    fields are pydantic validators.

Connecting
    The core runs all flows. A provider only describes them:
    - `Flow.API_KEY`   the settings contain the key. `headers` adds it to each request.
    - `Flow.OAUTH`     authorization code with PKCE: `oauth` returns the URLs and the client.
    - `Flow.DEVICE`    RFC 8628: `oauth` returns also `device_url`.
    - `Flow.SECRET`    nothing to fetch: the other system sends requests to hooks of this server.
    The core stores the tokens, refreshes the access token before it expires and after a 401, and
    passes the current one to `headers`, whose default is `Authorization: Bearer TOKEN`.

Requests
    Use `link.get`, `link.post` and `link.delete` for everything, with an absolute URL or a path
    below `base_url`. They are bounded in size and time, follow no redirects, and raise
    `ProviderFault` with a reason for every failure, and for every status that is not 2xx. Do not
    catch it, unless a status has a special meaning. Do not retry or sleep: the job does. A method
    that cannot read an answer raises `ProviderFault(Reason.PROVIDER_ERROR, "…")`.

Testing
    `test` makes the cheapest request that proves the credentials, and returns a short text for
    people. A missing scope is `ProviderFault(Reason.FORBIDDEN_SCOPE, "needs repo:read")`.

Syncing
    `sync` returns one page: at most `MOST_IN_PAGE` resources, in few requests. `cursor` is None at
    the first sync; otherwise it is the cursor of the last page (of this sync or, at the start of
    one, of the previous sync). `more=True` requests the next page. A provider that lists everything
    each time ends with `cursor=None`; one that reads only what is new ends with a cursor of the
    position, and does not name that kind in `complete`. The server stores page and cursor in one
    transaction, so a killed sync resumes after its last stored page; the same page twice changes
    nothing. After a sync from the beginning (its first cursor was None) that has succeeded,
    resources of the kinds in `complete` that were on no page are marked as vanished.

    A resource is neutral: `kind` is one of `KINDS`, `external_id` is stable in the other system,
    `data` is JSON for clients and for the consumers of events. A deploy has `at` and `service`
    (a name of the catalog, if the settings map it), `data` with `version`, `environment` and
    `status`: postmortems cite it. A rule has `data` with `expr`, `for_s` and `labels`.

Importing
    An `Import` of the page creates an object of another domain of this server for one of its
    resources: `imports.py` and its neighbours `import_*.py` have those of dashboards, rule files,
    schedules, services and alerts. The core saves it in the transaction that stores the page, and
    adds the result to the resource as `data["imported"]`. `Import` receives the result of the last
    sync, so that it changes the same object again. Convert and check before, in `sync`: that is
    slow. `vanished` ends objects that must not outlast their resource.

Hooks
    A provider that receives requests sets `hooks = True` and implements `read_hook`. The core has
    checked size, signature and duplicates before. `hook_signature` and `hook_id_header` set what
    the other system prescribes; None: the hook's own configuration decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, Field

from novaql.fast_dataclass import dataclass
from novaql.server.db.unit import Unit
from novaql.server.http.shapes import URL_LIKE, URL_PATTERN

MOST_IN_PAGE = 200
"""The most resources that one page of a sync returns."""

KINDS = (
    *("service", "alert", "rule", "target", "dashboard", "deploy", "incident", "schedule"),
    *("escalation_policy", "user", "team", "repository"),
)
"""The kinds of resources."""

SECRET_MARK, URL_MARK = "x-secret", "x-target-url"
_SECRET: dict[str, Any] = {SECRET_MARK: True}
_URL: dict[str, Any] = {URL_MARK: True}
Secret = Annotated[
    str, Field(min_length=1, max_length=4096, pattern=r"^[!-~]+$", json_schema_extra=_SECRET)
]
"""A secret in settings: visible ASCII characters, because most are sent in headers."""
TargetUrl = Annotated[
    str,
    Field(max_length=2048, pattern=URL_LIKE, json_schema_extra={**_URL, "pattern": URL_PATTERN}),
]
"""A URL in settings, to which the server sends requests."""
Imported = Mapping[str, Any]
"""The result of an import, as JSON."""


class Flow(StrEnum):
    """How a client connects a provider."""

    OAUTH = "oauth"
    DEVICE = "device"
    API_KEY = "api_key"
    SECRET = "secret"  # noqa: S105 - the name of a flow


class Reason(StrEnum):
    """Why a request to a provider failed. `BLOCKED`: its address is not public."""

    DNS = "dns"
    TLS = "tls"
    TIMEOUT = "timeout"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN_SCOPE = "forbidden_scope"
    RATE_LIMITED = "rate_limited"
    BLOCKED = "blocked"
    PROVIDER_ERROR = "provider_error"


class ProviderFault(Exception):
    """A failure at a provider. `detail` is for people and must not contain a secret.

    status         of the answer, if there is one
    retry_after_s  the wait that the provider requires
    """

    def __init__(
        self,
        reason: Reason,
        detail: str,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail[:500]
        self.status = status
        self.retry_after_s = retry_after_s


NOT_UNDERSTOOD = (
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)
"""The errors that a provider raises for an answer of an unexpected form."""


class ProviderSettings(BaseModel):
    """The base of the settings of a provider: no unknown field, no conversion of types."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        """Raise `TypeError` for a secret or a URL that the core would not find."""
        super().__pydantic_init_subclass__(**options)
        schema = cls.model_json_schema()
        fields = schema.get("properties", {}).values()
        flat = [one for field in fields for one in (field, *field.get("anyOf", ()))]
        for mark in (SECRET_MARK, URL_MARK):
            if str(schema).count(f"'{mark}'") != sum(mark in one for one in flat):
                raise TypeError(f"{cls.__name__}: secrets and URLs are fields of their own")


class NoSettings(ProviderSettings):
    """The settings of a provider that needs none."""


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """The settings that the core needs for the code flow and the device flow.

    authorize_url  None: the provider has no code flow
    device_url     of the device authorization request; None: it has no device flow
    client_secret  None: a public client
    issuer         if set, the callback must have an `iss` that equals it (RFC 9207)
    """

    token_url: str
    client_id: str
    client_secret: str | None = None
    authorize_url: str | None = None
    device_url: str | None = None
    scopes: Sequence[str] = ()
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request, with status 2xx. `json` is None if the body is empty."""

    status: int
    headers: Mapping[str, str]
    json: Any


class Link(Protocol):
    """A connection to the account of a tenant at a provider."""

    @property
    def settings(self) -> Any:
        """The provider's settings, with their secrets."""

    @property
    def access_token(self) -> str | None:
        """The current access token of the flows `oauth` and `device`."""

    @property
    def now(self) -> datetime:
        """The time."""

    def get(
        self,
        url: str,
        params: Mapping[str, str | int] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Reply: ...

    def post(
        self, url: str, json: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> Reply: ...

    def delete(
        self, url: str, json: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> Reply: ...


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of another system.

    service  the name of the service that it belongs to
    url      for people, http or https; at  when it happened: deploys need it
    revision  of its state, if states can arrive in another order than they happened: a text that
              sorts behind those of earlier states; an earlier state does not replace a later one
    """

    kind: str
    external_id: str
    name: str
    data: Mapping[str, Any] = field(default_factory=dict)
    service: str | None = None
    url: str | None = None
    at: datetime | None = None
    revision: str | None = None


class Import(Protocol):
    """The data that a page imports into another domain of this server, for a resource of the
    page."""

    @property
    def key(self) -> tuple[str, str]:
        """The kind and the external id of the resource."""

    def save(self, unit: Unit, user_id: str, former: Imported) -> Imported:
        """Create or change an object, and return what the resource contains about it: the same if
        nothing has changed. Raises `ServerError` before it changes anything.

        user_id  of the user who has connected the provider
        former   what the last call has returned; {} if there was none
        """


@dataclass(frozen=True, slots=True)
class SyncPage:
    """A page of a sync. `cursor`: where the next page, or the next sync, continues."""

    resources: Sequence[Resource]
    cursor: str | None
    more: bool
    imports: Sequence[Import] = ()


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An incident that a hook reports. With `resolve` it resolves the open one with its key."""

    title: str
    severity: str
    services: Sequence[str]
    description: str
    dedup_key: str
    resolve: bool


@dataclass(frozen=True, slots=True)
class HookSignature:
    """How requests to a hook are authenticated.

    header  contains the secret itself (`hmac` False), or the HMAC-SHA256 of the body in hexadecimal
    prefix  before it, such as `sha256=`
    """

    header: str
    hmac: bool
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class HookCall:
    """A request to a hook. header names are in lower case; `body` is the parsed JSON; `config` is
    the configuration of the hook, without its secret."""

    headers: Mapping[str, str]
    body: Any
    config: Mapping[str, Any]
    now: datetime


@dataclass(frozen=True, slots=True)
class HookOutcome:
    """The report of a request to a hook. `note`: why it is ignored."""

    resources: Sequence[Resource] = ()
    occurrences: Sequence[Occurrence] = ()
    note: str = ""


class Provider:
    """The base of providers; see the text of this module."""

    name: ClassVar[str]
    title: ClassVar[str]
    verified: ClassVar[bool] = False
    flows: ClassVar[tuple[Flow, ...]]
    kinds: ClassVar[tuple[str, ...]] = ()
    complete: ClassVar[tuple[str, ...]] = ()
    hooks: ClassVar[bool] = False
    hook_signature: ClassVar[HookSignature | None] = None
    hook_id_header: ClassVar[str | None] = None
    Settings: ClassVar[type[ProviderSettings]] = NoSettings

    def flow(self, settings: Any) -> Flow:
        """The flow that these settings choose: their field `flow`, or the usual one."""
        return Flow(getattr(settings, "flow", self.flows[0]))

    def base_url(self, settings: Any) -> str:
        """The URL that relative paths continue, without a slash at its end."""
        return str(getattr(settings, "base_url", "")).rstrip("/")

    def headers(self, settings: Any, access_token: str | None) -> Mapping[str, str]:  # noqa: ARG002
        """The headers that authorize a request, and others of every request."""
        return {} if access_token is None else {"Authorization": f"Bearer {access_token}"}

    def oauth(self, settings: Any) -> OAuthClient:  # noqa: ARG002
        """The endpoints and the client of the flows `oauth` and `device`."""
        raise ProviderFault(Reason.PROVIDER_ERROR, f"{self.title} has no such flow")

    def test(self, link: Link) -> str:  # noqa: ARG002
        """Prove the credentials. Return a text for people; raise `ProviderFault`."""
        raise ProviderFault(Reason.PROVIDER_ERROR, f"{self.title} cannot be tested")

    def sync(self, link: Link, cursor: str | None) -> SyncPage:  # noqa: ARG002
        """Return the page behind a cursor. Raises `ProviderFault`."""
        return SyncPage((), None, more=False)

    def vanished(self, unit: Unit, external_id: str, imported: Imported) -> Imported:  # noqa: ARG002
        """End what was imported for a resource, in the transaction that marks it as vanished.
        Receives the result of its last import, and returns what replaces it: the next import
        receives that, if the resource returns.
        """
        return imported

    def revoke(self, link: Link) -> None:
        """End the credentials at the provider, if it can. A `ProviderFault` is only logged."""

    def check_hook(self, config: Mapping[str, Any]) -> None:
        """Raise `InvalidRequest` for a configuration of a hook that this provider cannot use."""

    def read_hook(self, call: HookCall) -> HookOutcome:  # noqa: ARG002
        """Return what a request reports. Raises `errors.invalid("/pointer", "why")`."""
        return HookOutcome(note=f"{self.title} has no hooks")
