"""Outgoing requests on behalf of users, which never enter networks that are not public.

Webhooks, probes, integrations and runbooks share one dialer. It resolves a name once. If any
address is denied, it makes no connection. Otherwise it connects to a checked address, with the
original Host and TLS name. A redirect is a new connection with the same checks. The error for a
denied target does not reveal whether any service listens there.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from novaql.fast_dataclass import dataclass
from novaql.lazy_exports import lazy_module
from novaql.server.addresses import Network
from novaql.server.egress.errors import TargetNotAllowed, Unreachable
from novaql.server.errors import Impossible

if TYPE_CHECKING:
    import httpx

    from novaql.server.egress import transport
else:  # slow to load; the first request to another system needs them
    httpx = lazy_module("httpx")
    transport = lazy_module("novaql.server.egress.transport")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Sequence[str]]

_DENIED: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, and the metadata of clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "::/96",  # unspecified, loopback, IPv4-compatible
        "::ffff:0:0:0/96",  # IPv4-translated
        "64:ff9b:1::/48",  # NAT64 of a local prefix
        "100::/64",  # discard
        "100:0:0:1::/64",  # dummy prefix
        "2001::/23",  # protocol assignments, Teredo and ORCHID in them
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fc00::/7",  # private
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local
        "ff00::/8",  # multicast
    )
)
_PORTS = {"https": 443, "http": 80}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")


def resolve(host: str, port: int) -> Sequence[str]:
    """Resolve a host with the system's resolver. Raises `Unreachable`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as problem:
        raise Unreachable("dns", f"{host} has no address") from problem
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class Dialer:
    """Checks targets and connects to them.

    allowed   networks that are permitted although they are not public
    resolver  resolves a host; tests pass their own
    """

    allowed: tuple[Network, ...] = ()
    resolver: Resolver = resolve

    def permits(self, address: str) -> bool:
        """Return whether an address may be dialed. IPv4 inside IPv6 is unwrapped first."""
        try:
            ip: Address = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        plain = _unwrapped(ip)
        if any(form in network for form in (ip, plain) for network in self.allowed):
            return True
        return not any(plain in network for network in _DENIED)

    def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host that may be dialed.

        Raises `TargetNotAllowed` if any address is denied, `Unreachable` if the host has none.
        """
        found = self.resolver(host.strip("[]"), port)
        if not found:
            raise Unreachable("dns", f"{host} has no address")
        if not all(self.permits(address) for address in found):
            raise TargetNotAllowed(host)
        return list(found)

    def check_url(self, url: str, *, schemes: Iterable[str] = ("https", "http")) -> None:
        """Raise `TargetNotAllowed` or `Impossible` for a URL that can never be dialed.

        This is the check when a target is stored; dialing checks again. A name without an address
        passes, because it may get one later.
        """
        parsed = self.check_syntax(url, schemes=schemes)
        self.check_host(parsed.host, parsed.port or _PORTS[parsed.scheme])

    @staticmethod
    def check_syntax(url: str, *, schemes: Iterable[str] = ("https", "http")) -> httpx.URL:
        """Return a URL that `check_url` may allow, without a look-up of its host. Raises like
        `check_url`."""
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, ValueError, TypeError):
            raise Impossible("this is not a URL", code="invalid_url") from None
        if parsed.scheme not in tuple(schemes) or not parsed.host:
            known = " or ".join(schemes)
            raise Impossible(f"the URL must begin with {known}", code="target_not_allowed")
        if parsed.userinfo:
            raise Impossible("the URL must not hold a user name", code="target_not_allowed")
        if parsed.port is not None and not 1 <= parsed.port <= 65535:
            raise Impossible("ports are numbers from 1 to 65535", code="target_not_allowed")
        return parsed

    def check_host(self, host: str, port: int) -> None:
        """Like `check_url`, for a host and a port."""
        text = host.strip("[]")
        if not text.isprintable() or any(c in text for c in " /@#?\\"):
            raise Impossible("this is not the name of a host", code="target_not_allowed")
        with suppress(Unreachable):
            self.addresses(host, port)

    def connect(self, host: str, port: int, timeout_s: float) -> socket.socket:
        """Open a TCP connection to a host. Raises `TargetNotAllowed` or `Unreachable`."""
        end = time.monotonic() + timeout_s
        reason, message = "connect", f"{host} refuses the connection"
        for address in self.addresses(host, port):
            left = end - time.monotonic()
            if left <= 0:
                raise Unreachable("timeout", f"{host} does not answer in time")
            try:
                return socket.create_connection((address, port), timeout=left)
            except TimeoutError:
                reason, message = "timeout", f"{host} does not answer in time"
            except OSError:
                reason, message = "connect", f"{host} refuses the connection"
        raise Unreachable(reason, message)

    def client(
        self,
        *,
        timeout_s: float = 15.0,
        verify: ssl.SSLContext | bool = True,
        headers: Mapping[str, str] | None = None,
        follow_redirects: bool = False,
        deadline_s: float | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> httpx.Client:
        """Return an HTTP client that uses this dialer. It has no proxies, netrc or cookie jar.

        timeout_s   for each step: a connection, a packet
        deadline_s  for all steps together, from now on; it also ends answers that arrive slowly
        cancelled   with a deadline: called while it waits for packets, to end the wait early
                    (`Unreachable` `cancelled`)

        It raises `TargetNotAllowed` and `Unreachable` in addition to httpx's errors. Close it after
        use.
        """
        return httpx.Client(
            transport=transport.Transport(self.addresses, verify, deadline_s, cancelled),
            timeout=timeout_s,
            headers=dict(headers or {}),
            follow_redirects=follow_redirects,
            max_redirects=5,
            trust_env=False,
        )


def _unwrapped(ip: Address) -> Address:
    """Return the IPv4 address that an IPv6 address contains, or the address itself."""
    if ip.version == 4:
        return ip
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip in _SIX_TO_FOUR:
        return ipaddress.IPv4Address(int(ip) >> 80 & 0xFFFFFFFF)
    return ip
