"""The weights in the headers Accept and Accept-Encoding (RFC 9110, 12.4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Form = TypeVar("Form", bound=str)


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


def best_of(accept: str, forms: Mapping[Form, str]) -> Form | None:
    """Return the form of an answer that an Accept header prefers; the first of equal ones. None if
    it accepts none.

    forms  names → media types
    """
    weights = weights_in(accept or "*/*")
    best = max(forms, key=lambda name: _weight(forms[name], weights))
    return best if _weight(forms[best], weights) > 0 else None


def _weight(media: str, weights: Mapping[str, float]) -> float:
    """Return the weight of a type: that of the most specific range that matches it."""
    name = media.partition(";")[0]
    ranges = (name, f"{name.partition('/')[0]}/*", "*/*")
    return next((weights[one] for one in ranges if one in weights), 0.0)
