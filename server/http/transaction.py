"""An endpoint in its transaction: idempotency, audit, API version, and the cache of answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from starlette.responses import Response

from novaql.server.http.bodies import ModelRequest
from novaql.server.http.dependencies import version_of
from novaql.server.http.unit_of_work import RequestUnit
from novaql.server.platform.answering import Answer, encoded, response_of
from novaql.server.platform.context import principal_of
from novaql.server.platform.idempotency import Kept, fingerprint, recall, remember
from novaql.server.platform.reading_again import read_again
from novaql.server.platform.state.tables_used import tables_read

if TYPE_CHECKING:
    from novaql.server.http.routing import NovaRoute

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


async def in_transaction(
    route: NovaRoute, endpoint: Callable[..., Any], arguments: Mapping[str, Any]
) -> Response:
    """The answer of an endpoint that runs in a transaction of its parameter `unit`."""
    unit: RequestUnit = arguments["unit"]
    request, context, tenant = unit.request, unit.context, unit.tenant_id
    work = _Work(route, unit, version_of(request), arguments.get("response"))

    def use() -> Any:
        return endpoint(**arguments)

    if route.method == "GET" and (not route.samples or route.cached_by == "samples"):
        threads = context.measurers if route.cached_by == "samples" else context.readers

        def read() -> tuple[Kept, Set[str]]:
            with tables_read() as tables:
                found = work.run(use)
            assert isinstance(found, Kept)
            return found, tables

        async def read_in_thread() -> tuple[Kept, Set[str]]:
            return await threads.run(read, tenant=tenant)

        kept = await read_again(request, route.cached_by, work.version, read_in_thread)
        return response_of(request, kept)
    done = await context.threads.run(lambda: work.run(use), tenant=tenant)
    if isinstance(done, Outside):
        met = await context.outside.run(done.act, tenant=tenant)
        finish = partial(done.finish, met)
        done = await context.threads.run(lambda: work.run(finish), tenant=tenant)
    assert isinstance(done, Kept)
    return response_of(request, done)


@dataclass(slots=True)
class _Work:
    """What one request does in its transactions.

    response  what the endpoint sets status and headers of, if it declares it
    """

    route: NovaRoute
    unit: RequestUnit
    version: str
    response: Response | None

    def run(self, use: Callable[[], Any]) -> Kept | Outside[Any, Any]:
        """One transaction around `use`."""
        with self.unit.begin(writes=self.route.method != "GET"):
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
        route = f"{self.route.method} {self.route.path} {self.version}"
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
        action = self.route.action
        if action is not None and not isinstance(found, Outside) and not self.unit.audited:
            raise AssertionError(f"{self.route.path} changed something without audit entry")

    def _encoded(self, found: Any) -> Kept:
        response = self.response
        headers = {} if response is None else _own(response)
        if isinstance(found, Response):
            return Kept(found.status_code, headers | dict(found.headers), bytes(found.body))
        status = (response and response.status_code) or self.route.status_code or 200
        return encoded(Answer(status, found, headers), self.version, self.route.path)


def _own(response: Response) -> dict[str, str]:
    """The headers that an endpoint has set."""
    return {
        name.title(): value for name, value in response.headers.items() if name not in _OWN_HEADERS
    }
