"""A client for tests that send thousands of requests, by the standard library.

httpx quotes an address character by character in Python, and parses answers in Python: this took
most of the processor time of these tests.
"""

from __future__ import annotations

from collections.abc import Iterable
from http.client import HTTPConnection
from urllib.parse import quote, urlsplit

import httpx

_UNQUOTED = "%/?=&[]:@!$'()*+,;~"


class PlainClient:
    """One connection to a server, opened again when the server has closed it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._connection = HTTPConnection(parts.hostname, parts.port, timeout=30)

    def request(
        self,
        method: str,
        target: str,
        *,
        content: bytes | None = None,
        headers: Iterable[tuple[str, str | bytes]] = (),
    ) -> httpx.Response:
        """Send one request. `target` is quoted where it has other characters than an address."""
        path, named = quote(target, safe=_UNQUOTED), list(headers)
        is_new = self._connection.sock is None
        try:
            return self._request(method, path, content, named)
        except ConnectionError:
            self._connection.close()
            if is_new:
                raise
            return self._request(method, path, content, named)

    def _request(
        self, method: str, path: str, content: bytes | None, headers: list[tuple[str, str | bytes]]
    ) -> httpx.Response:
        connection = self._connection
        given = {name.lower() for name, _ in headers}
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if (content is not None or method in ("POST", "PUT", "PATCH")) and (
            "content-length" not in given
        ):
            connection.putheader("Content-Length", str(len(content or b"")))
        connection.endheaders(content)
        answer = connection.getresponse()
        body = answer.read()
        return httpx.Response(answer.status, headers=answer.getheaders(), content=body)

    def close(self) -> None:
        self._connection.close()
