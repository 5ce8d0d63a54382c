"""The kinds of servers at an address: a Prometheus, a NovaQL, an InfluxDB, or a page of metrics."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson

from novaql.errors import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs.http.client import HttpStatus, answer_to, without_credentials
from novaql.inputs.http.influx_server import InfluxServer, influx_at
from novaql.inputs.prometheus.query_api import QueryApiSource
from novaql.inputs.prometheus.remote_read import RemoteReadSource
from novaql.inputs.source_stream import selection_batches
from novaql.lazy_exports import lazy_module
from novaql.tsdb.model.labels import METRIC_NAME
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Metadata

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
_HAS_DATABASE = re.compile(r"[?&]db=")
_OWN_TOKENS = "nova_"  # in the error of a NovaQL that needs one
NAMES_AT_ONCE = 50
"""Metrics of a request of a copy."""
_HOUR_MS = 3_600_000
_NOTHING = [Matcher(METRIC_NAME, MatchOp.EQUAL, "-")]

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

    def metadata(self) -> dict[str, Metadata]:
        """What is known about metrics, by name."""
        return self.names.metadata()

    def has_samples(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> bool:
        """Whether a range may have samples of series that match."""
        return bool(self._names(matchers, start_ms, end_ms))

    def batches(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Iterator[Batch]:
        """The samples of a range, some metrics at a time; both ends are included."""
        names = self._names(matchers, start_ms, end_ms)
        for at in range(0, len(names), NAMES_AT_ONCE):
            some = "|".join(map(re.escape, names[at : at + NAMES_AT_ONCE]))
            one = [*matchers, Matcher(METRIC_NAME, MatchOp.REGEX, some)]
            yield from selection_batches(self.samples.select(one, start_ms, end_ms))

    def oldest_ms(self, last_ms: int) -> int | None:
        """The beginning of the hour of the oldest sample, found by the names that exist before a
        time."""

        def any_before(hour: int) -> bool:
            return self.has_samples([], 0, hour * _HOUR_MS - 1)

        low, high = 0, last_ms // _HOUR_MS + 1  # samples before hour `high`, none before `low`
        if not any_before(high):
            return None
        while high - low > 1:
            middle = (low + high) // 2
            if any_before(middle):
                high = middle
            else:
                low = middle
        return (high - 1) * _HOUR_MS

    def _names(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[str]:
        given = [matchers] if matchers else []
        return self.names.label_values(METRIC_NAME, given, start_ms, end_ms)


def server_source(url: str, *, token: str | None = None) -> ServerSource | None:
    """The samples of a server; see `server_at`. Raises `InputError` for an InfluxDB."""
    found = server_at(url, token=token)
    if isinstance(found, InfluxServer):
        raise InputError(
            f"{found.url}: an InfluxDB cannot be queried in place: copy it, by "
            f"novaql import '{found.url}'"
        )
    return None if found is None else found.samples


def server_at(url: str, *, token: str | None = None) -> Server | InfluxServer | None:
    """The server at an address; None if the address is that of a page of metrics.

    url    of a remote read, of a Prometheus (also behind a path), of a NovaQL, or of a database
           of an InfluxDB
    token  sent as a bearer token; None: `NOVA_TOKEN`, if a NovaQL requires one, and
           `INFLUX_TOKEN` for an InfluxDB

    Raises `InputError` if a NovaQL needs another token, or an InfluxDB a name of a database.
    """
    plain = url.partition("?")[0].rstrip("/")
    headers = {} if token is None else _bearer(token)
    if plain.endswith(READ_PATH):
        return _server(
            plain.removesuffix(READ_PATH), RemoteReadSource(url, headers=headers), headers
        )
    if plain.endswith("/metrics"):
        return None
    if "?" in url:
        return influx_at(url, token=token) if _HAS_DATABASE.search(url) else None
    for base in [plain, f"{plain}/prometheus"]:
        found = _headers_for(base, headers)
        if found is not None:
            return _server(base, _reader(base, found), found)
    return influx_at(url, token=token)


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
    """The headers with which a server offers Prometheus's API; None: it does not."""
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
        if problem.status != 401:
            raise
        raise InputError(f"{shown}: this NovaQL does not accept the token") from None


def _is_prometheus(base: str, headers: Mapping[str, str]) -> bool:
    """Whether a server reports its version. Raises `HttpStatus`; other failures are False, so
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
