"""Removes the secrets of a run from texts that leave it."""

from __future__ import annotations

from collections.abc import Iterable

from novaql.server.probes.masking import masked


class Redaction:
    """Replaces secrets in texts, also in the encodings of URLs, HTML and JSON.

    Values of fewer than 3 characters are not replaced: they are part of ordinary words.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = list(secrets)

    def __call__(self, text: str) -> str:
        found: str = masked(text, self._secrets)
        return found
