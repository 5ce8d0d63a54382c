"""Addresses to listen on, as texts."""

from __future__ import annotations

import functools
import ipaddress

from novaql.errors import ArgumentError


def parse_listen(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `:PORT` (this machine only) or `[IPV6]:PORT` as host and port."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit():
        raise ArgumentError("listen", f"{text!r} is not HOST:PORT")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


@functools.lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether only this machine reaches that address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
