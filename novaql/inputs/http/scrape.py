"""One scrape of a metrics endpoint."""

from __future__ import annotations

import time
import zlib

from novaql.errors import InputError
from novaql.inputs.http.client import answer_to
from novaql.inputs.protobuf.exposition import ProtobufParser
from novaql.inputs.read_options import AS_EXPOSED, ExposedOptions
from novaql.inputs.text.exposition import ExpositionParser
from novaql.inputs.text.refined import Refinement
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Metadata

MOST_BYTES = 64 << 20
ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
ACCEPT_PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,"
    "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


def scrape(
    url: str,
    timeout: float = 10.0,
    *,
    at_ms: int | None = None,
    most_bytes: int = MOST_BYTES,
    options: ExposedOptions = AS_EXPOSED,
) -> tuple[Batch, dict[str, Metadata]]:
    """Scrape a target: its samples and their metadata. Raises `InputError`.

    url         http or https
    timeout     seconds for the whole scrape
    at_ms       time of samples without one (None: now)
    most_bytes  limit of the decompressed answer
    options     format to request, and conversions
    """
    at_ms = round(time.time() * 1000) if at_ms is None else at_ms
    reader = TargetReader(url, options)
    body, content_type = _fetch(url, timeout, most_bytes, reader.accept)
    return reader.read(body, content_type, at_ms)


class TargetReader:
    """Reads the answers of one target; each may have another format.

    empty      in place of the empty value of a label; "": the label is omitted
    exemplars  of the last answer
    """

    def __init__(self, url: str, options: ExposedOptions = AS_EXPOSED, *, empty: str = "") -> None:
        self.accept = ACCEPT_PROTOBUF if options.native_histograms else ACCEPT
        self.exemplars = 0
        self._url = url
        self._options = options
        self._empty = empty
        self._text = ExpositionParser(
            openmetrics=False, default_time_ms=0, what=url, canonical_bounds=True, empty=empty
        )
        self._protobuf: ProtobufParser | None = None
        self._refinement = Refinement(options)

    def read(self, body: bytes, content_type: str, at_ms: int) -> tuple[Batch, dict[str, Metadata]]:
        """Samples, those without a time at `at_ms`, and metadata. Raises `InputError`."""
        kind = content_type.partition(";")[0].strip().lower()
        openmetrics = kind == "application/openmetrics-text"
        found: ExpositionParser | ProtobufParser
        if kind == "application/vnd.google.protobuf":
            found = self._protobuf_parser()
            found.start(at_ms)
            batch = found.feed(body)
            found.finish()
        else:
            found = self._text
            found.start(at_ms, openmetrics=openmetrics)
            with found.all_or_nothing():
                batch = found.feed(body if body.endswith(b"\n") or not body else body + b"\n")
                found.finish()
        self.exemplars = found.exemplars
        batch = self._refinement.apply(batch, found.metadata, created=openmetrics)
        return batch, dict(found.metadata)

    def _protobuf_parser(self) -> ProtobufParser:
        if self._protobuf is None:
            self._protobuf = ProtobufParser(
                default_time_ms=0,
                what=self._url,
                always_classic=self._options.always_classic,
                starts=self._options.start_timestamps is not False,
                empty=self._empty,
            )
        return self._protobuf


def _fetch(url: str, timeout: float, most_bytes: int, accept: str) -> tuple[bytes, str]:
    """Decompressed body and content type. Raises `InputError`."""
    headers = {
        "Accept": accept,
        "Accept-Encoding": "gzip",
        "X-Prometheus-Scrape-Timeout-Seconds": f"{timeout:g}",
    }
    deadline = time.monotonic() + timeout
    with answer_to(url, timeout=timeout, headers=headers) as answer:
        packed = answer.headers.get("Content-Encoding", "").lower() == "gzip"
        unpack = zlib.decompressobj(16 + zlib.MAX_WBITS) if packed else None
        parts: list[bytes] = []
        size = 0
        while part := answer.read1(1 << 18):
            if unpack is not None:
                part = _unpacked(unpack, part, most_bytes + 1 - size, url)
            parts.append(part)
            size += len(part)
            if size > most_bytes:
                raise InputError(f"{url}: the answer has more than {most_bytes} bytes")
            if time.monotonic() > deadline:
                raise InputError(f"{url}: no complete answer within {timeout:g} s")
        if unpack is not None and not unpack.eof:
            raise InputError(f"{url}: the packed answer is cut off")
        return b"".join(parts), answer.headers.get("Content-Type", "")


def _unpacked(unpack: zlib._Decompress, part: bytes, most: int, url: str) -> bytes:
    try:
        return unpack.decompress(part, most)
    except zlib.error as problem:
        raise InputError(f"{url}: {problem}") from problem
