"""The route table as the application's router: from a method and a path to a row, quickly.

FastAPI keeps a list of routes, asks each in turn, and solves dependencies for the right one. Here a
path without names in it is one look into a dictionary, others are compared with the few rows that
have as many segments, and the row's admission and handler are called as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.routing import BaseRoute, Match, compile_path
from starlette.types import Receive, Scope, Send

from server.platform.endpoint import Endpoint
from server.platform.errors import MethodNotAllowed

_ANY = -1


@dataclass(frozen=True, slots=True)
class _Template:
    pattern: re.Pattern[str]
    rows: Mapping[str, Endpoint]


class RouteTable(BaseRoute):
    """All rows, as one route of the application.

    Where a fixed path and one with a name in it both match, the fixed one counts.
    """

    def __init__(self, rows: Sequence[Endpoint]) -> None:
        by_path: dict[str, dict[str, Endpoint]] = {}
        for row in rows:
            for method in row.methods:
                by_path.setdefault(row.path, {})[method] = row
        self._fixed = {path: found for path, found in by_path.items() if "{" not in path}
        self._templates: dict[int, list[_Template]] = {}
        for path, found in by_path.items():
            if "{" in path:
                count = _ANY if ":path}" in path else path.count("/")
                template = _Template(compile_path(path)[0], found)
                self._templates.setdefault(count, []).append(template)

    def find(self, path: str) -> tuple[Mapping[str, Endpoint], dict[str, str]] | None:
        """The rows of a path by method, and what stands in its braces."""
        rows = self._fixed.get(path)
        if rows is not None:
            return rows, {}
        for count in (path.count("/"), _ANY):
            for template in self._templates.get(count, ()):
                match = template.pattern.match(path)
                if match is not None:
                    return template.rows, match.groupdict()
        return None

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http":
            return Match.NONE, {}
        found = self.find(scope["path"])
        if found is None:
            return Match.NONE, {}
        rows, names = found
        row = rows.get(scope["method"])
        shown = row or next(iter(rows.values()))
        child = {"endpoint": row, "route": shown, "path_params": names, "rows": rows}
        return Match.PARTIAL if row is None else Match.FULL, child

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        row: Endpoint | None = scope["endpoint"]
        request = Request(scope, receive, send)
        if row is None:
            allowed = ", ".join(sorted(scope["rows"]))
            raise MethodNotAllowed(
                f"{request.method} is not for {request.url.path}; it takes {allowed}",
                headers={"Allow": allowed},
            )
        await row.admit(request)
        response = await row.handler(request)
        await response(scope, receive, send)
