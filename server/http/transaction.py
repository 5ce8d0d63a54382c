"""An endpoint in its transaction: idempotency, audit, API version, and the cache of answers."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from novaql.server.http.answers import encoded, response_of
from novaql.server.http.bodies import ModelRequest
from novaql.server.http.cache import rows_version
from novaql.server.http.dependencies import version_of
from novaql.server.http.idempotency import Kept, fingerprint, recall, remember
from novaql.server.http.request import principal_of
from novaql.server.http.unit_of_work import RequestUnit
from novaql.server.tenants.context import ServerContext

Met = TypeVar("Met")
Shown = TypeVar("Shown")
_OWN_HEADERS = frozenset({"content-length", "content-type"})


@dataclass(frozen=True, slots=True)
class Outside(Generic[Met, Shown]):
    """What an endpoint returns that waits for others before it can answer.

    act     runs between two transactions, without the database; its result goes to `finish`
    finish  gives the answer, in a transaction of its own of the same unit
    """

    act: Callable[[], Met]
    finish: Callable[[Met], Shown]


@dataclass(frozen=True, slots=True)
class Rules:
    """What a route asks of the transaction of its endpoint.

    status     of the usual answer
    action     of the audit entry that the endpoint must write; None: of none
    samples    whether it reads or writes samples
    cached_by  what its answer depends on beside the request, if it is cached: `rows` or `samples`.
               None: on rows and the time
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
    """The answer of an endpoint that runs in a transaction of its parameter `unit`."""
    unit: RequestUnit = arguments["unit"]
    request, context, tenant = unit.request, unit.context, unit.tenant_id
    work = _Work(rules, unit, version_of(request), arguments.get("response"))

    def use() -> Any:
        return endpoint(**arguments)

    if rules.method == "GET" and (not rules.samples or rules.cached_by == "samples"):
        threads = context.measurers if rules.cached_by == "samples" else context.readers

        async def read() -> Kept:
            found = await threads.run(lambda: work.run(use), tenant=tenant)
            assert isinstance(found, Kept)
            return found

        key = (principal_of(request), work.version, *_asked(request))
        look = partial(_version, context, rules.cached_by)
        kept = await context.responses.get(key, look, read, _size)
        return response_of(request, kept)
    done = await context.threads.run(lambda: work.run(use), tenant=tenant)
    if isinstance(done, Outside):
        met = await context.outside.run(done.act, tenant=tenant)
        finish = partial(done.finish, met)
        done = await context.threads.run(lambda: work.run(finish), tenant=tenant)
    assert isinstance(done, Kept)
    return response_of(request, done)


def _asked(request: Request) -> tuple[Any, ...]:
    scope, headers = request.scope, request.headers
    return scope["path"], scope["query_string"], headers.get("host"), headers.get("accept")


async def _version(context: ServerContext, cached_by: str | None) -> Hashable | None:
    """Of all that an answer depends on beside the request; None: it cannot be found out."""
    rows = await rows_version(context)
    if rows is None:
        return None
    now = context.clock.now()
    if cached_by == "samples":
        samples = context.measurements.version(context.tenant_id, now)
        return None if samples is None else (rows, samples)
    return (rows, None) if cached_by == "rows" else (rows, int(now.timestamp()))


def _size(kept: Kept) -> int | None:
    return len(kept.body) if kept.status == 200 else None


@dataclass(slots=True)
class _Work:
    """What one request does in its transactions.

    response  what the endpoint sets status and headers of, if it declares it
    """

    rules: Rules
    unit: RequestUnit
    version: str
    response: Response | None

    def run(self, use: Callable[[], Any]) -> Kept | Outside[Any, Any]:
        """One transaction around `use`."""
        with self.unit.begin(writes=self.rules.method != "GET"):
            key = self.unit.request.scope["state"].get("idempotency_key")
            if key is None:
                found = use()
                self._check_audit(found)
                if isinstance(found, Outside):
                    return found
            else:
                return self._once(key, use)
        return self._encoded(found)

    def _once(self, key: str, use: Callable[[], Any]) -> Kept | Outside[Any, Any]:
        """The answer that this Idempotency-Key was given, or that of `use`, recorded."""
        request = self.unit.request
        owner = principal_of(request).id
        route = f"{self.rules.method} {self.rules.path} {self.version}"
        assert isinstance(request, ModelRequest)
        print_ = fingerprint(request.scope["path"], request.url.query, request.sent)
        kept = recall(self.unit, owner, route, key, print_)
        if kept is not None:
            return Kept(kept.status, {**kept.headers, "Idempotent-Replayed": "true"}, kept.body)
        found = use()
        self._check_audit(found)
        if isinstance(found, Outside):
            return found
        done = self._encoded(found)
        remember(self.unit, owner, route, key, print_, done)
        return done

    def _check_audit(self, found: object) -> None:
        action = self.rules.action
        if action is not None and not isinstance(found, Outside) and not self.unit.audited:
            raise AssertionError(f"{self.rules.path} changed something without audit entry")

    def _encoded(self, found: Any) -> Kept:
        response = self.response
        headers = {} if response is None else _own(response)
        if isinstance(found, Response):
            return Kept(found.status_code, headers | dict(found.headers), bytes(found.body))
        status = (response and response.status_code) or self.rules.status
        return encoded(found, status, headers, self.version, self.rules.path)


def _own(response: Response) -> dict[str, str]:
    """The headers that an endpoint has set."""
    return {
        name.title(): value for name, value in response.headers.items() if name not in _OWN_HEADERS
    }
