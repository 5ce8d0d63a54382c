"""The formats of samples in answers, and the choice of one for a request."""

from __future__ import annotations

from typing import Literal

from novaql.server.errors import NotAcceptable
from novaql.server.http.accept import best_of
from novaql.tsdb import cache_of_short

Format = Literal["json", "csv", "arrow"]

MEDIA: dict[Format, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8; header=present",
    "arrow": "application/vnd.apache.arrow.stream",
}


def format_of(requested: Format | None, accept: str) -> Format:
    """Return the format that the body names, else the best one of the Accept header; JSON by
    default."""
    if requested is not None:
        return requested
    best = _best_of(accept)
    if best is None:
        known = ", ".join(media.partition(";")[0] for media in MEDIA.values())
        raise NotAcceptable(f"none of {accept!r} can be written; there is {known}")
    return best


@cache_of_short(256)
def _best_of(accept: str) -> Format | None:
    return best_of(accept, MEDIA)
