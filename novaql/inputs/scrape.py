"""One scrape of a metrics endpoint."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
import zlib
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from novaql.errors import InputError
from novaql.inputs.exposition import ExpositionParser
from tsdb.labels import SeriesTable
from tsdb.selection import Metadata
from tsdb.tile import Batch

MOST_BYTES = 64 << 20
ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


@dataclass(frozen=True, slots=True)
class ScrapeResult:
    """What one scrape brought.

    batch     samples with the time of the scrape, unless the target gives times itself; empty
              when the scrape failed
    up        whether all of the answer was read and understood
    duration  seconds
    error     why it failed, in one sentence, or None
    samples   how many samples the target exposed
    """

    batch: Batch
    metadata: dict[str, Metadata] = field(default_factory=dict)
    up: bool = True
    duration: float = 0.0
    error: str | None = None

    @property
    def samples(self) -> int:
        return len(self.batch)


def scrape(
    url: str,
    timeout: float = 10.0,
    *,
    at_ms: int | None = None,
    parser: ExpositionParser | None = None,
    most_bytes: int = MOST_BYTES,
) -> ScrapeResult:
    """Fetch and read what a target exposes. Never raises for what the target does.

    url         http or https
    timeout     seconds for the whole scrape
    at_ms       time of the samples (None: now)
    parser      the parser of the scrape before, which knows the target's series
    most_bytes  limit for the answer, unpacked
    """
    began = time.perf_counter()
    at_ms = round(time.time() * 1000) if at_ms is None else at_ms
    try:
        body, content_type = _fetch(url, timeout, most_bytes)
        openmetrics = content_type.partition(";")[0].strip() == "application/openmetrics-text"
        if parser is None:
            parser = new_parser(url)
        parser.start(at_ms, openmetrics=openmetrics)
        batch = parser.feed(body if body.endswith(b"\n") or not body else body + b"\n")
        parser.finish()
    except InputError as problem:
        duration = time.perf_counter() - began
        return ScrapeResult(_nothing(), up=False, duration=duration, error=str(problem))
    return ScrapeResult(batch, dict(parser.metadata), True, time.perf_counter() - began)


def new_parser(url: str) -> ExpositionParser:
    """A parser that reads as a scraper does."""
    return ExpositionParser(openmetrics=False, default_time_ms=0, what=url, canonical_bounds=True)


def _fetch(url: str, timeout: float, most_bytes: int) -> tuple[bytes, str]:
    """Unpacked body and content type. Raises `InputError`."""
    if not url.lower().startswith(("http://", "https://")):
        raise InputError(f"{url}: only http and https can be scraped")
    request = urllib.request.Request(  # noqa: S310 - checked above, and see _opener
        url,
        headers={
            "Accept": ACCEPT,
            "Accept-Encoding": "gzip",
            "User-Agent": "NovaQL",
            "X-Prometheus-Scrape-Timeout-Seconds": f"{timeout:g}",
        },
    )
    deadline = time.monotonic() + timeout
    try:
        with _opener().open(request, timeout=timeout) as answer:
            packed = answer.headers.get("Content-Encoding", "").lower() == "gzip"
            unpack = zlib.decompressobj(16 + zlib.MAX_WBITS) if packed else None
            parts: list[bytes] = []
            size = 0
            while part := answer.read1(1 << 18):
                if unpack is not None:
                    part = unpack.decompress(part, most_bytes + 1 - size)
                parts.append(part)
                size += len(part)
                if size > most_bytes:
                    raise InputError(f"{url}: the answer has more than {most_bytes} bytes")
                if time.monotonic() > deadline:
                    raise InputError(f"{url}: no complete answer within {timeout:g} s")
            if unpack is not None and not unpack.eof:
                raise InputError(f"{url}: the packed answer is cut off")
            return b"".join(parts), answer.headers.get("Content-Type", "")
    except urllib.error.HTTPError as problem:
        with problem:
            raise InputError(
                f"{url}: the target answered {problem.code} {problem.reason}"
            ) from None
    except TimeoutError:
        raise InputError(f"{url}: no complete answer within {timeout:g} s") from None
    except (OSError, http.client.HTTPException, zlib.error, ValueError) as problem:
        reason = getattr(problem, "reason", None) or problem
        if isinstance(reason, TimeoutError):
            reason = f"no connection within {timeout:g} s"
        raise InputError(f"{url}: {reason}") from problem


@cache
def _opener() -> urllib.request.OpenerDirector:
    """Speaks http and https only, redirects included, and asks no proxy of the environment."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _nothing() -> Batch:
    none = np.zeros(0, np.int64)
    return Batch(SeriesTable.unlabelled(0), none, none, np.zeros(0))
