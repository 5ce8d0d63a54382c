"""HTTP client for scraping: only this module sends requests to targets and discovery servers."""

from __future__ import annotations

import asyncio
import ssl
import zlib
from base64 import b64encode
from pathlib import Path

import httpx

from novaql.fast_dataclass import dataclass
from novaql.server.scraping.model import Client

MOST_BYTES = 256 << 20
"""Size limit of a decompressed body, for requests that set none."""

_FIRST = "novaql_first_url"
"""The extension of a request with the URL before redirects. httpx copies it to the next request."""


class FetchProblem(Exception):
    """A request failed. The message is one sentence."""


class BodyTooLarge(FetchProblem):
    """The decompressed body exceeds its limit."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer with its body, decompressed."""

    body: bytes
    content_type: str


class Fetcher:
    """Sends requests with the settings of one job, over persistent connections."""

    def __init__(self, client: Client, *, compression: bool = True) -> None:
        self._settings = client
        self._compression = compression
        self._http: httpx.AsyncClient | None = None
        self._secret_headers = [n for n, one in client.http_headers.items() if one.secrets]

    async def get(
        self, url: str, timeout_s: float, headers: dict[str, str], *, most_bytes: int = 0
    ) -> Fetched:
        """Return an answer with status 200. Raises `FetchProblem`, also after the timeout.

        most_bytes  limit for the decompressed body; 0: `MOST_BYTES`
        """
        sent = {
            "User-Agent": "NovaQL",
            "Accept-Encoding": "gzip" if self._compression else "identity",
            **headers,
            **await asyncio.to_thread(self._authorization),
        }
        try:
            extensions: dict[str, object] = {_FIRST: httpx.URL(url)}
            if name := self._settings.tls_config.server_name:
                extensions["sni_hostname"] = name
            async with asyncio.timeout(timeout_s):
                async with self._client().stream(
                    "GET", url, headers=sent, timeout=timeout_s, extensions=extensions
                ) as answer:
                    if answer.status_code != 200:
                        reason = f"{answer.status_code} {answer.reason_phrase}"
                        raise FetchProblem(f"server returned HTTP status {reason}")
                    body = await _body(answer, most_bytes or MOST_BYTES)
                    return Fetched(body, answer.headers.get("content-type", ""))
        except (TimeoutError, httpx.TimeoutException):
            raise FetchProblem(f"no complete answer within {timeout_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as problem:
            raise FetchProblem(f"{url}: {str(problem) or type(problem).__name__}") from problem

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()

    def _client(self) -> httpx.AsyncClient:
        """The client. It is created at the first request that finds the files of `tls_config`: a
        job without them must not affect others. Raises `FetchProblem`."""
        if self._http is None:
            client = self._settings
            try:
                verify = _tls(client)
            except OSError as problem:
                raise FetchProblem(f"tls_config: {problem}") from problem
            self._http = httpx.AsyncClient(
                verify=verify,
                follow_redirects=client.follow_redirects,
                trust_env=False,
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
                headers=[
                    (name, value)
                    for name, header in client.http_headers.items()
                    for value in (*header.values, *header.secrets)
                ],
                event_hooks={"request": [self._leave_secrets]},
            )
        return self._http

    async def _leave_secrets(self, request: httpx.Request) -> None:
        """Remove headers with secrets from a redirect to another origin. httpx removes only
        `Authorization`."""
        if not _are_one_origin(request.extensions[_FIRST], request.url):
            for name in self._secret_headers:
                request.headers.pop(name, None)

    def _authorization(self) -> dict[str, str]:
        """The `Authorization` header. Reads files of secrets for each request: they may change."""
        client = self._settings
        try:
            if (basic := client.basic_auth) is not None:
                secret = _secret(basic.password_file, basic.password)
                pair = b64encode(f"{basic.username}:{secret}".encode()).decode()
                return {"Authorization": f"Basic {pair}"}
            if client.bearer_token or client.bearer_token_file:
                secret = _secret(client.bearer_token_file, client.bearer_token)
                return {"Authorization": f"Bearer {secret}"}
            if (given := client.authorization) is not None:
                secret = _secret(given.credentials_file, given.credentials)
                return {"Authorization": f"{given.type} {secret}"}
        except (OSError, ValueError) as problem:
            raise FetchProblem(f"credentials: {problem}") from problem
        return {}


def _are_one_origin(first: httpx.URL, now: httpx.URL) -> bool:
    """Whether scheme, host and port are equal, or `now` is the same host by TLS."""
    if first.host != now.host or first.port != now.port:
        return False
    return first.scheme == now.scheme or (now.scheme == "https" and now.port is None)


def _secret(file: str, text: str) -> str:
    return Path(file).read_text().strip() if file else text


async def _body(answer: httpx.Response, most: int) -> bytes:
    """Read and decompress the body. At no time does it take more than `most` bytes.

    Raises `BodyTooLarge` for a larger body, and `FetchProblem` for a damaged one.
    """
    compressed = answer.headers.get("content-encoding", "").lower() == "gzip"
    gzip = zlib.decompressobj(16 + zlib.MAX_WBITS) if compressed else None
    parts: list[bytes] = []
    size = 0
    try:
        async for part in answer.aiter_raw():
            found = gzip.decompress(part, most + 1 - size) if gzip is not None else part
            parts.append(found)
            size += len(found)
            if size > most:
                raise BodyTooLarge("body size limit exceeded")
            if gzip is not None and gzip.unused_data:
                raise FetchProblem("the answer goes on after its compressed end")
    except zlib.error as problem:
        raise FetchProblem(f"the compressed answer is damaged: {problem}") from problem
    if gzip is not None and not gzip.eof:
        raise FetchProblem("the compressed answer is cut off")
    return b"".join(parts)


def _tls(client: Client) -> ssl.SSLContext | bool:
    tls = client.tls_config
    if not (tls.ca_file or tls.cert_file or tls.insecure_skip_verify):
        return True
    context = ssl.create_default_context(cafile=tls.ca_file or None)
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert_file:
        context.load_cert_chain(tls.cert_file, tls.key_file or None)
    return context
