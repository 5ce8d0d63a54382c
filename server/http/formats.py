"""The formats of samples in answers, and the choice of one for a request."""

from __future__ import annotations

from typing import Literal

from novaql.server.errors import NotAcceptable

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
    best: Format | None = None
    best_weight = 0.0
    for name, media in MEDIA.items():
        weight = _weight(media.partition(";")[0], accept or "*/*")
        if weight > best_weight:
            best, best_weight = name, weight
    if best is None:
        known = ", ".join(media.partition(";")[0] for media in MEDIA.values())
        raise NotAcceptable(f"none of {accept!r} can be written; there is {known}")
    return best


def _weight(media: str, accept: str) -> float:
    """Return the weight of a type: that of the most specific range that matches it."""
    kind = media.partition("/")[0]
    found = {media: -1.0, f"{kind}/*": -1.0, "*/*": -1.0}
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if name in found:
            found[name] = _quality(parameters)
    return next((weight for weight in found.values() if weight >= 0), 0.0)


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
