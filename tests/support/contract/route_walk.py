"""A walk over the route table: creates a resource of every kind from the examples of the routes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from novaql.server.routes import ROUTES, Row
from tests.support.servers.http_server import LocalServer

_BRACED = re.compile(r"\{(\w+)\}")
_PLACE = re.compile(r"\b([a-z]{2,5})_0{26}\b")
ID = re.compile(r"[a-z]{2,5}_[0-9A-Za-z]{16,32}")


@dataclass
class Walk:
    """The resources that one tenant has created: answers of the creating endpoints, by path."""

    server: LocalServer
    token: str
    made: dict[str, Any] = field(default_factory=dict)

    def request(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return self.server.client.request(method, path, json=body, headers=headers)

    def make(self) -> None:
        """Create one resource of every kind that has an example, in the order of the table."""
        for endpoint in creating():
            path = self.path_of(endpoint)
            if path is None:
                continue
            answer = self.request("POST", path, self.body_of(endpoint))
            assert answer.status_code == endpoint.success, f"{endpoint.path}: {answer.text}"
            if endpoint.path not in self.made and answer.content:
                self.made[endpoint.path] = answer.json()

    def path_of(self, endpoint: Row) -> str | None:
        """The endpoint's path with ids of created resources in place of its braces; None without
        such a resource."""
        path = endpoint.path
        for match in _BRACED.finditer(endpoint.path):
            parent = self.made.get(endpoint.path[: match.start()].rstrip("/"))
            if not isinstance(parent, Mapping):
                return None
            value = parent.get(match[1], parent.get("id"))
            if value is None:
                return None
            path = path.replace(match[0], str(value))
        return path

    def body_of(self, endpoint: Row) -> Any:
        """The endpoint's example. Ids of zeros are replaced by those of created resources with the
        same prefix."""
        text = json.dumps(endpoint.example)
        made = {str(one["id"]).partition("_")[0]: one["id"] for one in self._resources()}
        return json.loads(_PLACE.sub(lambda found: str(made.get(found[1], found[0])), text))

    def _resources(self) -> list[Mapping[str, Any]]:
        return [one for one in self.made.values() if isinstance(one, Mapping) and "id" in one]

    def everything(self) -> list[str]:
        """Every id and name of a created resource."""
        return sorted(set(_keys(self.made)))


def creating() -> Iterator[Row]:
    """The routes that create a resource and have an example."""
    for endpoint in ROUTES:
        if (
            endpoint.verbs == ("POST",)
            and endpoint.example is not None
            and endpoint.action is not None
            and endpoint.success == 201
        ):
            yield endpoint


def _keys(value: Any, name: str = "") -> Iterator[str]:
    match value:
        case Mapping():
            for inner, inside in value.items():
                yield from _keys(inside, inner)
        case list():
            for inside in value:
                yield from _keys(inside)
        case str() if ID.fullmatch(value) or name in ("name", "service"):
            yield value
