"""Parse addresses and networks."""

from __future__ import annotations

import ipaddress

from novaql import ArgumentError
from novaql.tsdb import cache_of_short

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_listen(text: str) -> tuple[str, int]:
    """Parse `HOST:PORT`, `:PORT` (on the loopback address) or `[IPV6]:PORT`: host and port."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit():
        raise ArgumentError("listen", f"{text!r} is not HOST:PORT")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


@cache_of_short(256)
def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_networks(text: str) -> tuple[Network, ...]:
    """Parse CIDRs, separated by commas. Raises `ValueError`."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def parse_server(text: str, port: int) -> tuple[str, int]:
    """Parse `ADDRESS`, `ADDRESS:PORT` or `[IPV6]:PORT`: address and port. Raises `ValueError`.

    port  the default port
    """
    host, given = text, str(port)
    if text.startswith("["):
        host, _, given = text[1:].partition("]")
        given = given.removeprefix(":") or str(port)
    elif text.count(":") == 1:
        host, _, given = text.partition(":")
    if not (given.isascii() and given.isdigit() and 0 < int(given) < 65536):
        raise ValueError(f"{given!r} is not a port")
    return str(ipaddress.ip_address(host)), int(given)
