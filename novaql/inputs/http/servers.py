"""What answers at an address: a Prometheus, another NovaQL, or a page of metrics."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson

from novaql.errors import InputError
from novaql.inputs.http.client import HttpStatus, answer_to, without_credentials
from novaql.inputs.prometheus.query_api import QueryApiSource
from novaql.inputs.prometheus.remote_read import RemoteReadSource
from novaql.lazy_exports import lazy_module
from novaql.tsdb.model.matchers import Matcher, MatchOp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from novaql.inputs import batch_stream, read_options
    from novaql.inputs.http import scrape
else:
    batch_stream = lazy_module("novaql.inputs.batch_stream")
    scrape = lazy_module("novaql.inputs.http.scrape")

TOKEN_VARIABLE = "NOVA_TOKEN"  # noqa: S105 - the name of a variable
READ_PATH = "/api/v1/read"
_PROBE_SECONDS = 10.0
_OWN_TOKENS = "nova_"  # in the error of a NovaQL that needs one
_NOTHING = [Matcher("__name__", MatchOp.EQUAL, "-")]

ServerSource = RemoteReadSource | QueryApiSource


@dataclass(frozen=True, slots=True)
class Server:
    """A server with Prometheus's API.

    url      of its API, without a user and a password
    samples  reads samples: by remote read, which has everything, or else by queries
    names    lists names of metrics and labels, without reading samples
    """

    url: str
    samples: ServerSource
    names: QueryApiSource


def server_source(url: str, *, token: str | None = None) -> ServerSource | None:
    """The samples of a server; see `server_at`."""
    found = server_at(url, token=token)
    return None if found is None else found.samples


def server_at(url: str, *, token: str | None = None) -> Server | None:
    """The server at an address; None if the address is that of a page of metrics.

    url    of a remote read, of a Prometheus (also behind a path), or of a NovaQL
    token  sent as a bearer token; None: `NOVA_TOKEN`, if a NovaQL asks for one

    Raises `InputError` if a NovaQL needs another token.
    """
    plain = url.partition("?")[0].rstrip("/")
    headers = {} if token is None else _bearer(token)
    if plain.endswith(READ_PATH):
        return _server(
            plain.removesuffix(READ_PATH), RemoteReadSource(url, headers=headers), headers
        )
    if "?" in url or plain.endswith("/metrics"):
        return None
    for base in [plain, f"{plain}/prometheus"]:
        found = _headers_for(base, headers)
        if found is not None:
            return _server(base, _reader(base, found), found)
    return None


def _server(base: str, samples: ServerSource, headers: Mapping[str, str]) -> Server:
    names = QueryApiSource(base, headers=headers)
    return Server(without_credentials(base)[0], samples, names)


def scraped(url: str, options: read_options.ReadOptions) -> batch_stream.BatchStream:
    """The samples of a page now. The page of an address without a path is `/metrics`, or else the
    address. Raises `InputError`."""
    pages = [url]
    if urlsplit(url).path in ("", "/") and "?" not in url:
        pages.insert(0, f"{url.rstrip('/')}/metrics")
    for page in pages:
        try:
            batch, metadata = scrape.scrape(
                page, at_ms=options.default_time_ms, options=options.exposed
            )
        except HttpStatus as problem:
            if page == url or problem.status != 404:
                raise
        else:
            return batch_stream.BatchStream(iter([batch]), metadata, files=1)
    raise AssertionError("the last page is the address")


def _headers_for(base: str, headers: Mapping[str, str]) -> Mapping[str, str] | None:
    """The headers with which a server has Prometheus's API; None: it does not have it."""
    try:
        return headers if _is_prometheus(base, headers) else None
    except HttpStatus as problem:
        if problem.status == 401 and headers:
            raise InputError(f"{problem}; the server does not accept the token") from None
        if problem.status != 401 or _OWN_TOKENS not in problem.text:
            return None
    shown = without_credentials(base)[0]
    own = os.environ.get(TOKEN_VARIABLE)
    if not own:
        raise InputError(f"{shown}: this NovaQL needs a token: set {TOKEN_VARIABLE}")
    headers = _bearer(own)
    try:
        return headers if _is_prometheus(base, headers) else None
    except HttpStatus as problem:
        what = f"this NovaQL does not accept the token of {TOKEN_VARIABLE}"
        raise InputError(f"{shown}: {what}: {problem.text}") from None


def _is_prometheus(base: str, headers: Mapping[str, str]) -> bool:
    """Whether a server says which version it is. Raises `HttpStatus`; other failures are False, so
    that the scrape of the page reports them."""
    url = f"{base}/api/v1/status/buildinfo"
    try:
        with answer_to(url, timeout=_PROBE_SECONDS, headers=headers) as answer:
            found = orjson.loads(answer.read(1 << 16))
        return isinstance(found, dict) and found.get("status") == "success"
    except HttpStatus:
        raise
    except (InputError, ValueError):
        return False


def _reader(base: str, headers: Mapping[str, str]) -> ServerSource:
    """By remote read, which has everything, or else by queries."""
    source = RemoteReadSource(f"{base}{READ_PATH}", headers=headers)
    try:
        source.series([_NOTHING], 0, 1)
    except InputError:
        return QueryApiSource(base, headers=headers)
    return source


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
