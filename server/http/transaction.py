"""Runs an endpoint in its transaction: idempotency, audit, and the API version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Generic, NoReturn, TypeVar

from starlette.responses import Response

from novaql.fast_dataclass import dataclass
from novaql.server.db.unit import Unit
from novaql.server.errors import Forbidden
from novaql.server.http.answers import encoded
from novaql.server.http.bodies import ModelRequest
from novaql.server.http.idempotency import RecordedResponse, fingerprint, recall, remember
from novaql.server.http.request import principal_of, version_of
from novaql.server.http.unit_of_work import RequestUnit
from novaql.server.pools.threads import StateThreads
from novaql.server.tenants.context import ServerContext

Outcome = TypeVar("Outcome")
Answered = TypeVar("Answered")
_OWN_HEADERS = frozenset({"content-length", "content-type"})


@dataclass(frozen=True, slots=True)
class ExternalCall(Generic[Outcome, Answered]):
    """The return value of an endpoint that calls other systems before it can answer.

    act     runs between two transactions, without the database; `finish` gets its result
    finish  returns the answer, in a second transaction of the same unit
    """

    act: Callable[[], Outcome]
    finish: Callable[[Outcome], Answered]


def denied(
    unit: Unit, audit_action: str, target: tuple[str, str], refusal: Forbidden
) -> ExternalCall[None, Any]:
    """Record in the audit log that a user may not do this, and reject the request.

    target  the type and the id of the resource
    """
    unit.audit(audit_action, target, after={"code": refusal.code}, outcome="denied")
    return rejected_after_commit(refusal)


def rejected_after_commit(refusal: Forbidden) -> ExternalCall[None, Any]:
    """Commit what records a refusal, and then reject the request."""

    def refuse(_: None) -> NoReturn:
        raise refusal

    return ExternalCall(lambda: None, refuse)


@dataclass(frozen=True, slots=True)
class Rules:
    """Requirements of a route for the transaction of its endpoint.

    status     of the usual answer
    action     of the audit entry that the endpoint must write; None: of none
    samples    whether it reads or writes samples
    cached_by  `samples`: it measures them for its answer, in the threads for measurements
    """

    method: str
    path: str
    status: int
    action: str | None
    samples: bool
    cached_by: str | None


async def in_transaction(
    rules: Rules, endpoint: Callable[..., Any], arguments: Mapping[str, Any]
) -> Response:
    """Run an endpoint in a transaction of its parameter `unit`, and return its answer."""
    unit: RequestUnit = arguments["unit"]
    request, context, tenant = unit.request, unit.context, unit.tenant_id
    work = _Work(rules, unit, version_of(request), arguments.get("response"))

    def use() -> Any:
        return endpoint(**arguments)

    threads = _threads(rules, context)
    done = await threads.run(lambda: work.run(use), tenant=tenant)
    if isinstance(done, ExternalCall):
        outcome = await context.pools.outside.run(done.act, tenant=tenant)
        finish = partial(done.finish, outcome)
        done = await threads.run(lambda: work.run(finish), tenant=tenant)
    assert isinstance(done, RecordedResponse)
    return Response(done.body, done.status, done.headers)


def _threads(rules: Rules, context: ServerContext) -> StateThreads:
    if rules.cached_by == "samples":
        return context.pools.measurers
    return (
        context.pools.readers
        if rules.method == "GET" and not rules.samples
        else context.pools.state
    )


@dataclass(slots=True)
class _Work:
    """The work of one request in its transactions.

    response  carries the status and headers that the endpoint sets, if it declares it
    """

    rules: Rules
    unit: RequestUnit
    version: str
    response: Response | None

    def run(self, use: Callable[[], Any]) -> RecordedResponse | ExternalCall[Any, Any]:
        """Run `use` in one transaction, or return the recorded response of its Idempotency-Key."""
        with self.unit.begin(writes=self.rules.method != "GET"):
            key = self._key()
            recorded = None if key is None else recall(self.unit, *key)
            if recorded is not None:
                headers = {**recorded.headers, "Idempotent-Replayed": "true"}
                return replace(recorded, headers=headers)
            found = use()
            if isinstance(found, ExternalCall):
                return found
            if self.rules.action is not None and not self.unit.audited:
                raise AssertionError(f"{self.rules.path} changed something without audit entry")
            if key is not None:
                done = self._encoded(found)
                remember(self.unit, *key, done)
                return done
        return self._encoded(found)

    def _key(self) -> tuple[str, str, str, str] | None:
        """Return the owner, the route, the Idempotency-Key and the fingerprint of the request."""
        request = self.unit.request
        key = request.scope["state"].get("idempotency_key")
        if key is None:
            return None
        assert isinstance(request, ModelRequest)
        route = f"{self.rules.method} {self.rules.path} {self.version}"
        sent = fingerprint(request.scope["path"], request.url.query, request.sent)
        return principal_of(request).id, route, key, sent

    def _encoded(self, found: Any) -> RecordedResponse:
        response = self.response
        headers = {} if response is None else _own(response)
        if isinstance(found, Response):
            return RecordedResponse(
                found.status_code, headers | dict(found.headers), bytes(found.body)
            )
        status = (response and response.status_code) or self.rules.status
        return encoded(found, status, headers, self.version, self.rules.path)


def _own(response: Response) -> dict[str, str]:
    """Return the headers that an endpoint has set."""
    return {
        name.title(): value for name, value in response.headers.items() if name not in _OWN_HEADERS
    }
