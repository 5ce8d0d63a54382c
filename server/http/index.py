"""The index of routes: finds the routes of a path by one look-up, or a few comparisons.

Starlette tries routes one after another, about 5 µs each; with 200 routes, the last one would cost
as much as the rest of its request. Routes of the index are therefore not in Starlette's router, and
are called without its layers for exceptions and files, which `Edge` and `NovaRoute` replace.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol

from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from novaql.server.errors import MethodNotAllowed

_ANY = -1


class IndexedRoute(Protocol):
    """A route of Starlette or FastAPI."""

    @property
    def path(self) -> str: ...

    @property
    def methods(self) -> Collection[str]: ...

    @property
    def of_the_owner(self) -> bool: ...

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None: ...


ByMethod = Mapping[str, IndexedRoute]
Found = tuple[ByMethod, dict[str, str]]


class RouteIndex:
    """All routes. A path without parameters has precedence over a template that matches it too."""

    def __init__(self, routes: Sequence[IndexedRoute]) -> None:
        by_path: dict[str, dict[str, IndexedRoute]] = {}
        for route in routes:
            for method in route.methods:
                by_path.setdefault(route.path, {})[method] = route
        for found in by_path.values():
            if "GET" in found:
                found.setdefault("HEAD", found["GET"])
        self._fixed = {path: found for path, found in by_path.items() if "{" not in path}
        self._templates: dict[int, list[tuple[re.Pattern[str], ByMethod]]] = {}
        for path, found in by_path.items():
            if "{" in path:
                segments = _ANY if ":path}" in path else path.count("/")
                # A parameter may hold any character, also a newline.
                template = re.compile(compile_path(path)[0].pattern, re.DOTALL), found
                self._templates.setdefault(segments, []).append(template)

    def find(self, path: str) -> Found | None:
        """Return the routes of a path by method, and its parameters."""
        routes = self._fixed.get(path)
        if routes is not None:
            return routes, {}
        for segments in (path.count("/"), _ANY):
            for pattern, found in self._templates.get(segments, ()):
                match = pattern.fullmatch(path)
                if match is not None:
                    return found, match.groupdict()
        return None


class LateIndex:
    """An index that is complete once it is built, and contains a part before.

    every  returns the index of all routes; the first call may wait
    """

    def __init__(self, first: RouteIndex, every: Callable[[], Awaitable[RouteIndex]]) -> None:
        self._first = first
        self._every = every

    async def find(self, path: str) -> Found | None:
        """Return the routes of a path by method, and its parameters."""
        return self._first.find(path) or (await self._every()).find(path)


class Indexed:
    """Wraps an application: routes of an index answer, and the application all other paths."""

    def __init__(self, app: ASGIApp, *, index: LateIndex) -> None:
        self._app = app
        self._index = index

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = await self._index.find(scope["path"]) if scope["type"] == "http" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        routes, scope["path_params"] = found
        route = routes.get(scope["method"])
        scope["route"] = route or next(iter(routes.values()))
        if route is None:
            allowed = ", ".join(sorted(routes))
            raise MethodNotAllowed(
                f"{scope['method']} is not for {scope['path']}; it takes {allowed}",
                headers={"Allow": allowed},
            )
        await route.handle(scope, receive, send)
