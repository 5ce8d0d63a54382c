"""The route table: from a method and a path to a row, quickly.

FastAPI keeps a list of routes, asks each in turn, and solves dependencies for the right one. Here a
path without names in it is one look into a dictionary, others are compared with the few rows that
have as many segments, and the row's admission and handler are called as they are.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from novaql.server.platform.errors import MethodNotAllowed

_ANY = -1


class Row(Protocol):
    """What the table holds: an `Endpoint`, or a route of FastAPI."""

    @property
    def path(self) -> str: ...

    @property
    def methods(self) -> Collection[str]: ...

    @property
    def of_the_owner(self) -> bool: ...

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None: ...


@dataclass(frozen=True, slots=True)
class _Template:
    pattern: re.Pattern[str]
    rows: Mapping[str, Row]


class RouteTable:
    """All rows.

    Where a fixed path and one with a name in it both match, the fixed one counts.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        by_path: dict[str, dict[str, Row]] = {}
        for row in rows:
            for method in row.methods:
                by_path.setdefault(row.path, {})[method] = row
        for found in by_path.values():
            if "GET" in found:
                found.setdefault("HEAD", found["GET"])
        self._fixed = {path: found for path, found in by_path.items() if "{" not in path}
        self._templates: dict[int, list[_Template]] = {}
        for path, found in by_path.items():
            if "{" in path:
                count = _ANY if ":path}" in path else path.count("/")
                template = _Template(compile_path(path)[0], found)
                self._templates.setdefault(count, []).append(template)

    def find(self, path: str) -> tuple[Mapping[str, Row], dict[str, str]] | None:
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

    def before(self, app: ASGIApp) -> ASGIApp:
        """An application that answers the rows, and leaves every other path to `app`."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            found = self.find(scope["path"]) if scope["type"] == "http" else None
            if found is None:
                await app(scope, receive, send)
                return
            rows, scope["path_params"] = found
            row = rows.get(scope["method"])
            scope["route"] = row or next(iter(rows.values()))
            if row is None:
                allowed = ", ".join(sorted(rows))
                raise MethodNotAllowed(
                    f"{scope['method']} is not for {scope['path']}; it takes {allowed}",
                    headers={"Allow": allowed},
                )
            await row.handle(scope, receive, send)

        return answer
