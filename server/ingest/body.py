"""A request body: received within a budget, decompressed in slices or as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY
from typing import TypeVar

from starlette.requests import Request

from novaql import LimitExceeded
from novaql.fast_dataclass import dataclass
from novaql.server.errors import BodyTooLarge
from novaql.server.http.body_reader import read_body, unpack_snappy
from novaql.server.http.request import context_of, principal_of
from novaql.server.http.unpacking import slices, whole
from novaql.server.pools.writers import Steps
from novaql.server.tenants.context import ServerContext

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Body:
    """A received body.

    encoding  content encoding: "", `identity`, `gzip`, `snappy` or `zstd`
    limit     largest decompressed size in bytes; above it, reading raises `BodyTooLarge`
    """

    sent: bytes
    encoding: str = ""
    _: KW_ONLY
    limit: int

    def slices(self) -> Iterator[bytes]:
        """Decompressed slices of about a megabyte. Each call starts at the beginning of the body.

        Raises `BodyTooLarge`, and `InvalidRequest` for a body that cannot be decompressed.
        """
        return slices(self.sent, self.encoding, limit=self.limit)

    def whole(self) -> bytes:
        """The whole decompressed body, not of snappy. Raises the errors of `slices`."""
        return whole(self.sent, self.encoding, limit=self.limit)

    def message(self) -> memoryview:
        """The whole decompressed body of any encoding. Raises the errors of `slices`."""
        if self.encoding == "snappy":
            return unpack_snappy(self.sent, limit=self.limit)
        return memoryview(self.whole())


async def store_body(
    request: Request,
    encodings: tuple[str, ...],
    store: Callable[[ServerContext, Body], Steps[Answer]],
    *,
    usual: str = "",
) -> Answer:
    """Receive the body of a request, and run the steps of `store` in writer threads.

    encodings  content encodings besides `identity`
    usual      the encoding of a body with none of them
    """
    context = context_of(request)
    settings = context.settings
    with context.pools.ingest.body(principal_of(request).tenant_id) as held:
        sent = await read_body(
            request, limit=settings.max_write_bytes, encodings=encodings, held=held
        )
        encoding = request.headers.get("content-encoding", "").strip().lower()
        encoding = encoding if encoding in encodings else usual
        body = Body(sent, encoding, limit=settings.max_decompressed_bytes)
        return await context.pools.ingest.store(held, _within_limits(store(context, body)))


def _within_limits(steps: Steps[Answer]) -> Steps[Answer]:
    try:
        return (yield from steps)
    except LimitExceeded as problem:
        raise BodyTooLarge(str(problem)) from None
