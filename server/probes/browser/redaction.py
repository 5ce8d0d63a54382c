"""Removes the secrets of a run from texts that leave it."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"
_SHORTEST = 3


class Redaction:
    """Replaces secrets in texts, also in the encodings of URLs, HTML and JSON.

    Values of fewer than 3 characters are not replaced: they are part of ordinary words.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {
            form
            for value in secrets
            if len(value) >= _SHORTEST
            for form in (
                value,
                quote(value),
                quote(value, safe=""),
                quote_plus(value),
                html.escape(value),
                json.dumps(value)[1:-1],
            )
        }
        self._forms = sorted(forms, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, MASK)
        return text
