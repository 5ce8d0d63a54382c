"""The API-Version header."""

from __future__ import annotations

from server.platform.errors import Detail, InvalidApiVersion

CURRENT = "2026-04-01"
SUPPORTED = (CURRENT,)


def chosen_version(header: str | None, pinned: str) -> str:
    """The version a request speaks: what it asks for, else what its token is pinned to."""
    if header is None:
        return pinned
    if header not in SUPPORTED:
        known = ", ".join(SUPPORTED)
        raise InvalidApiVersion(
            f"API-Version {header!r} is not supported; supported versions: {known}",
            details=[Detail("", f"supported_versions: {known}")],
        )
    return header
