"""Rejects requests that pages of other sites send from a user's browser.

A browser sets `Origin` and `Sec-Fetch-Site` itself, and a page cannot change them. Programs send
neither. Own origins are that of `public_url` and the addresses that the server listens on. If it
listens on all addresses of the machine, an origin is accepted if it is an address (or `localhost`)
and equals the Host of the request. A name is never sufficient, because its owner can make it
resolve to this server.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import Scope

from novaql.fast_dataclass import dataclass
from novaql.server.addresses import is_loopback
from novaql.server.errors import Forbidden, InvalidRequest
from novaql.server.settings import Settings

_SAFE = frozenset({"GET", "HEAD"})
_OTHER_SITES = frozenset({b"cross-site", b"same-site"})
_USUAL_PORTS = {"http": 80, "https": 443}
_LONGEST = 1024
"""Characters of an Origin and its Host above which it is foreign: caches hold both."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

Origin = tuple[str, str, int]
"""Scheme, host, port."""


@dataclass(frozen=True, slots=True)
class Site:
    """The origins of this server, and the Hosts that it accepts."""

    own: frozenset[Origin]
    public_host: str
    any_host: bool

    @classmethod
    def of(cls, settings: Settings) -> Site:
        """Create it from the settings; `port` must be the port that the server listens on."""
        scheme = "http" if settings.tls_cert is None else "https"
        hosts = {settings.host}
        if is_loopback(settings.host) or settings.host in ("", "0.0.0.0", "::"):  # noqa: S104
            hosts.update(_LOOPBACK)
        own = {(scheme, host.lower(), settings.port) for host in hosts}
        public = _parsed(settings.public_url)
        if public is not None:
            own.add(public)
        return cls(frozenset(own), "" if public is None else public[1], settings.auth)

    def check(self, scope: Scope) -> None:
        """Raise `Forbidden` for a request of another site, `InvalidRequest` for a header that is
        repeated but must be unique."""
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"")
        if not self.any_host:
            self._check_host(host)
        if scope["method"] not in _SAFE and self._is_foreign(scope, host):
            raise Forbidden(
                "a page of another site must not do this; if it is this server's own, its "
                "public_url has to be set",
                code="foreign_origin",
            )
        if len(headers) == len(scope["headers"]):  # none is repeated
            return
        names = Counter(name for name, _ in scope["headers"])
        if names[b"authorization"] > 1:
            raise InvalidRequest("there is more than one Authorization header")
        if names[b"api-version"] > 1:
            raise InvalidRequest(
                "there is more than one API-Version header", code="invalid_api_version"
            )

    def _is_foreign(self, scope: Scope, host: bytes) -> bool:
        return any(
            value.strip().lower() in _OTHER_SITES
            if name == b"sec-fetch-site"
            else name == b"origin"
            and (
                len(host) + len(value) > _LONGEST
                or not _is_own(self.own, scope["scheme"], host, value)
            )
            for name, value in scope["headers"]
        )

    def _check_host(self, host: bytes) -> None:
        name = _name_of(host.decode("latin-1"))
        if not is_loopback(name) and (not self.public_host or name != self.public_host):
            raise Forbidden("without authentication this server answers to localhost only")


@lru_cache(maxsize=1024)
def _is_own(own: frozenset[Origin], scheme: str, host: bytes, origin: bytes) -> bool:
    parsed = _parsed(origin.decode("latin-1"))
    requested = _parsed(f"{scheme}://{host.decode('latin-1')}")
    return parsed is not None and (
        parsed in own or (parsed == requested and _is_address(parsed[1]))
    )


def _parsed(url: str) -> Origin | None:
    """Return the origin of a URL; None if it has none, for example `null`."""
    try:
        parts = urlsplit(url)
        scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
        port = parts.port or _USUAL_PORTS.get(scheme)
    except ValueError:
        return None
    return None if not host or port is None else (scheme, host, port)


def _name_of(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True
