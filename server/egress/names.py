"""Name resolution by one DNS server instead of the system's resolver."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from novaql.lazy_exports import lazy_module
from novaql.server.egress.dialer import Resolver, resolve
from novaql.server.egress.errors import Unreachable

if TYPE_CHECKING:
    from dns import exception, resolver
else:  # only where a setting names a DNS server
    exception = lazy_module("dns.exception")
    resolver = lazy_module("dns.resolver")

_LOOK_UP_S = 5.0


def resolver_at(server: tuple[str, int] | None) -> Resolver:
    """Return a resolver that queries one DNS server, given as address and port. None: the system's
    resolver.

    It queries only that server: no hosts file, no search list, no cache. It raises `Unreachable`
    for a name without addresses, and if there is no answer within 5 s.
    """
    if server is None:
        return resolve
    found = resolver.Resolver(configure=False)
    found.nameservers = [server[0]]
    found.port = server[1]
    found.lifetime = _LOOK_UP_S

    def look_up(host: str, port: int) -> Sequence[str]:
        if written_as_address(host):
            return resolve(host, port)
        try:
            answers = found.resolve_name(host, search=False)
        except (exception.DNSException, UnicodeError) as problem:
            raise Unreachable("dns", f"{host} has no address") from problem
        return list(answers.addresses())

    return look_up


def written_as_address(host: str) -> bool:
    """Return whether a host is an address, including IPv4's old forms: `127.1`, `0x7f000001`."""
    try:
        socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    except (OSError, ValueError):
        try:
            socket.inet_aton(host)
        except (OSError, ValueError):
            return False
    return True
