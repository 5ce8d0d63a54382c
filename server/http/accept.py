"""The weights in the headers Accept and Accept-Encoding (RFC 9110, 12.4.2)."""

from __future__ import annotations


def weights_in(header: str) -> dict[str, float]:
    """Return the weight of each name in the header, in lower case. A malformed weight is 0."""
    weights: dict[str, float] = {}
    for part in header.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        given = [text.removeprefix("q=") for text in parameters if text.startswith("q=")]
        try:
            weights[name] = float(given[0]) if given else 1.0
        except ValueError:
            weights[name] = 0.0
    return weights
