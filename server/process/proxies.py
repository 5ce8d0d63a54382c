"""Clients behind proxies. `X-Forwarded-*` is used from trusted proxies, and ignored otherwise."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from novaql.server.addresses import Network, parse_server
from novaql.server.errors import Busy, ServerError
from novaql.server.http.problem import problem_response
from novaql.server.ids import new_id

_FOR, _PROTO, _HOST = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"
_HOST_TEXT = re.compile(
    rb"[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?"
)


class TrustedProxies:
    """The trusted proxies, and the clients that they name."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = tuple(networks)
        self.trusts = lru_cache(maxsize=4096)(self._trusts)

    def _trusts(self, address: str) -> bool:
        """Return whether a peer's address is in one of the networks."""
        ip = _address(address)
        return ip is not None and any(ip in network for network in self._networks)

    def client_of(self, peer: str, forwarded: Iterable[bytes]) -> str:
        """Return the address of the client, from the lines of X-Forwarded-For that a trusted peer
        sent.

        Each proxy appends the address of its peer. The list is therefore read from its end, as far
        as trusted proxies wrote it: the first address that is not a trusted proxy is the client. A
        malformed address ends the list; the last proxy before it counts as the client.
        """
        client = peer
        for hop in reversed(b",".join(forwarded).split(b",")):
            ip = _address(hop.decode("latin-1").strip())
            if ip is None:
                return client
            client = str(ip)
            if not self.trusts(client):
                return client
        return client


class AddressLimit(Protocol):
    """Counts requests of an address. The server's `Connections` implements it."""

    def enter_address(self, address: str) -> bool: ...

    def leave_address(self, address: str) -> None: ...


class Proxied:
    """Wraps an application: sets client, scheme and Host to those that a trusted proxy names.

    It removes the headers, so that the application does not use them.

    limit  simultaneous requests of one client through proxies; None: unlimited
    """

    def __init__(
        self, app: ASGIApp, *, proxies: TrustedProxies, limit: AddressLimit | None
    ) -> None:
        self._app = app
        self._proxies = proxies
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = scope["headers"]
        named = [pair for pair in given if pair[0].startswith(b"x-forwarded-")]
        if not named:
            await self._app(scope, receive, send)
            return
        scope["headers"] = [pair for pair in given if pair[0] not in (_FOR, _PROTO, _HOST)]
        peer = scope["client"][0] if scope["client"] else ""
        if not self._proxies.trusts(peer):
            await self._app(scope, receive, send)
            return
        _apply(scope, named)
        address = self._proxies.client_of(peer, [v for n, v in named if n == _FOR])
        scope["client"] = (address, 0)
        if self._limit is None or address == peer:
            await self._app(scope, receive, send)
        elif self._limit.enter_address(address):
            try:
                await self._app(scope, receive, send)
            finally:
                self._limit.leave_address(address)
        else:
            refused: ServerError = Busy(
                "too many requests of one address at a time", headers={"Retry-After": "1"}
            )
            request_id = new_id("req")
            answer = problem_response(refused, scope["path"], request_id)
            answer.headers["X-Request-Id"] = request_id
            await answer(scope, receive, send)


class FromWorkers:
    """Wraps the owner's application: a worker of this server names the client and the scheme."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            named = dict(scope["headers"])
            scope["scheme"] = named.get(_PROTO, b"http").decode()
            scope["client"] = (named[_FOR].decode(), 0) if _FOR in named else None
        await self._app(scope, receive, send)


def _apply(scope: Scope, named: Sequence[tuple[bytes, bytes]]) -> None:
    """Set scheme and Host as the nearest proxy names them, if they are well-formed."""
    for name, value in named:
        last = value.rpartition(b",")[2].strip()
        if name == _PROTO and last.lower() in (b"http", b"https"):
            scope["scheme"] = last.lower().decode()
        elif name == _HOST and _HOST_TEXT.fullmatch(last):
            others = [pair for pair in scope["headers"] if pair[0] != b"host"]
            scope["headers"] = [(b"host", last), *others]


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Parse an address with or without a port, and unwrap IPv4 in IPv6; None if it is malformed."""
    try:
        ip = ipaddress.ip_address(parse_server(text, 80)[0])
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if ip.version == 6 else None
    return ip if mapped is None else mapped
