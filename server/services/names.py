"""Names of services."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


class InvalidServiceName(ValueError):
    """The name is invalid. The message describes valid names."""


def checked_name(name: str) -> str:
    """Return the name: 1 to 63 letters, digits, ".", "_" and "-", with no sign at either end.

    Names are case-sensitive, as label values are: "Api" and "api" are two services. Raises
    `InvalidServiceName`.
    """
    if _NAME.fullmatch(name) is None:
        raise InvalidServiceName(
            f"{name!r} cannot name a service: 1 to 63 of A-Z a-z 0-9 . _ - "
            "that begin and end with a letter or digit"
        )
    return name
