"""The formats of samples in answers, and the choice of one for a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from novaql.server.errors import NotAcceptable
from novaql.server.http.accept import weights_in

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
    weights = weights_in(accept or "*/*")
    best = max(MEDIA, key=lambda name: _weight(MEDIA[name], weights))
    if not _weight(MEDIA[best], weights) > 0:
        known = ", ".join(media.partition(";")[0] for media in MEDIA.values())
        raise NotAcceptable(f"none of {accept!r} can be written; there is {known}")
    return best


def _weight(media: str, weights: Mapping[str, float]) -> float:
    """Return the weight of a type: that of the most specific range that matches it."""
    name = media.partition(";")[0]
    ranges = (name, f"{name.partition('/')[0]}/*", "*/*")
    return next((weights[one] for one in ranges if one in weights), 0.0)
