"""Secrets of a check: their places, and their absence from results."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
_PLACE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_SHORTEST = 3
"""Shorter secrets are not masked: a text would have them by accident."""


def names_in(text: str) -> set[str]:
    """Return the names of secrets in a text with `{{NAME}}`."""
    return set(_PLACE.findall(text))


def filled(text: str, secrets: Mapping[str, str]) -> str:
    """Return a text with the secrets in their places; unknown names do not change."""
    return _PLACE.sub(lambda found: secrets.get(found[1], found[0]), text)


def masked(value: Any, secrets: Iterable[str]) -> Any:
    """Return a JSON value without the secrets in its texts."""
    known = {form for one in secrets if len(one) >= _SHORTEST for form in forms(one)}
    return _masked(value, sorted(known, key=len, reverse=True)) if known else value


def forms(secret: str) -> set[str]:
    """Return a secret unchanged, and in the encodings of URLs, HTML, JSON and Python's `repr`."""
    return {
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        html.escape(secret),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
    }


def _masked(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, MASK)
        return value
    if isinstance(value, list):
        return [_masked(one, secrets) for one in value]
    if isinstance(value, dict):
        return {name: _masked(one, secrets) for name, one in value.items()}
    return value
