"""Dated versions of the API, and what each one changed.

Domains know one version, the newest. A breaking change is one `VersionChange`: how a body of before
becomes one of now, and how an answer of now becomes one of before. A request in an older version
walks through all later changes, oldest first; its answer walks back, newest first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from novaql.server.errors import Detail, InvalidApiVersion, InvalidRequest
from novaql.server.wording import UNKNOWN

CURRENT = "2026-04-01"
SUPPORTED = ("2026-01-15", CURRENT)


class VersionChange:
    """One breaking change. Subclasses say in their docstring what a client has to know.

    since  the version that it came with; older ones are served by `request` and `response`
    """

    since = CURRENT

    def request(self, route: str, body: Any) -> Any:  # noqa: ARG002 - what subclasses look at
        """A body of before as one of now. Raises `InvalidRequest` for what before refused."""
        return body

    def response(self, route: str, body: Any) -> Any:  # noqa: ARG002 - likewise
        """An answer of now as one of before."""
        return body

    def event(self, type_: str, data: Any) -> Any:  # noqa: ARG002 - likewise
        """What an event of now tells, as it was told before."""
        return data


class EndOfListIsSilent(VersionChange):
    """The last page of a list has no `next_cursor`; before, it had one that was null."""

    def response(self, route: str, body: Any) -> Any:  # noqa: ARG002 - every list
        if isinstance(body, dict) and isinstance(body.get("data"), list):
            return {**body, "next_cursor": body.get("next_cursor")}
        return body


class UserHasOneName(VersionChange):
    """A user's name is `name`; before, it was `display_name`."""

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
"""All of them, oldest first."""


def chosen_version(header: str | None, pinned: str) -> str:
    """The version a request speaks: what it asks for, else what its token is pinned to."""
    if header is None:
        return pinned if pinned in SUPPORTED else CURRENT
    if header not in SUPPORTED:
        known = ", ".join(SUPPORTED)
        raise InvalidApiVersion(
            f"API-Version {header!r} is not supported; supported versions: {known}",
            details=[Detail("", f"supported_versions: {known}")],
        )
    return header


def to_current(version: str, route: str, body: Any) -> Any:
    """A body of an older version as the domains know it."""
    for change in CHANGES:
        if version < change.since:
            body = change.request(route, body)
    return body


def from_current(version: str, route: str, body: Any) -> Any:
    """An answer as an older version has it."""
    for change in reversed(CHANGES):
        if version < change.since:
            body = change.response(route, body)
    return body


def event_in(version: str, type_: str, data: Any) -> Any:
    """What an event tells, as an older version has it."""
    for change in reversed(CHANGES):
        if version < change.since:
            data = change.event(type_, data)
    return data


def _renamed(row: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    return {new if name == old else name: value for name, value in row.items()}
