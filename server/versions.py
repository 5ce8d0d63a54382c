"""Dated versions of the API, and the breaking changes of each.

Domains implement only the newest version. A `VersionChange` describes one breaking change: it
converts request bodies from the previous version, and answers to the previous version. The server
applies all later changes to a request in an older version, oldest first, and to its answer, newest
first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from novaql.server.errors import Detail, InvalidApiVersion, InvalidRequest
from novaql.server.wording import UNKNOWN

CURRENT = "2026-04-01"
SUPPORTED = ("2026-01-15", CURRENT)


class VersionChange:
    """One breaking change. The docstring of a subclass describes the change for clients.

    since  the first version with the change; the methods convert from and to older versions
    """

    since = CURRENT

    def request(self, route: str, body: Any) -> Any:  # noqa: ARG002 - for subclasses
        """Convert a request body to the newer version. Raises `InvalidRequest` for a body that the
        older version rejects."""
        return body

    def response(self, route: str, body: Any) -> Any:  # noqa: ARG002 - likewise
        """Convert an answer to the older version."""
        return body

    def event(self, type_: str, data: Any) -> Any:  # noqa: ARG002 - likewise
        """Convert the data of an event to the older version."""
        return data


class EndOfListIsSilent(VersionChange):
    """The last page of a list has no `next_cursor`; in older versions it is null."""

    def response(self, route: str, body: Any) -> Any:  # noqa: ARG002 - every list
        if isinstance(body, dict) and isinstance(body.get("data"), list):
            return {**body, "next_cursor": body.get("next_cursor")}
        return body


class UserHasOneName(VersionChange):
    """The field for a user's name is `name`; in older versions it is `display_name`."""

    def request(self, route: str, body: Any) -> Any:
        if not route.startswith("/v1/users") or not isinstance(body, dict):
            return body
        if "name" in body:
            raise InvalidRequest(f"/name: {UNKNOWN}", details=[Detail("/name", UNKNOWN)])
        return _renamed(body, "display_name", "name")

    def response(self, route: str, body: Any) -> Any:
        if not route.startswith("/v1/users") or not isinstance(body, dict):
            return body
        if isinstance(body.get("data"), list):
            return {**body, "data": [_renamed(row, "name", "display_name") for row in body["data"]]}
        return _renamed(body, "name", "display_name")

    def event(self, type_: str, data: Any) -> Any:
        if not type_.startswith("user.") or not isinstance(data, dict):
            return data
        return _renamed(data, "name", "display_name")


CHANGES: Sequence[VersionChange] = (EndOfListIsSilent(), UserHasOneName())
"""All changes, oldest first."""


def chosen_version(header: bytes | None, pinned: str) -> str:
    """The version of a request: that of its header, or else the one that its token is pinned to.

    Raises `InvalidApiVersion`.
    """
    if header is None:
        return pinned if pinned in SUPPORTED else CURRENT
    requested = header.decode("latin-1")
    if requested not in SUPPORTED:
        known = ", ".join(SUPPORTED)
        raise InvalidApiVersion(
            f"API-Version {requested!r} is not supported; supported versions: {known}",
            SUPPORTED,
        )
    return requested


def to_current(version: str, route: str, body: Any) -> Any:
    """Convert a body of an older version to the current one."""
    for change in CHANGES:
        if version < change.since:
            body = change.request(route, body)
    return body


def from_current(version: str, route: str, body: Any) -> Any:
    """Convert an answer of the current version to an older one."""
    for change in reversed(CHANGES):
        if version < change.since:
            body = change.response(route, body)
    return body


def event_in(version: str, type_: str, data: Any) -> Any:
    """Convert the data of an event from the current version to an older one."""
    for change in reversed(CHANGES):
        if version < change.since:
            data = change.event(type_, data)
    return data


def _renamed(row: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    return {new if name == old else name: value for name, value in row.items()}
