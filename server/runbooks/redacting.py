"""Redaction of outputs: the secret parameters of a run in every spelling, and texts that look like
credentials; then a limit of size."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from html import escape
from urllib.parse import quote, quote_plus

from novaql.server.crypto.redaction import HIDDEN

_CREDENTIALS = re.compile(
    r"""(?ix)
    (?P<scheme>\b(?:bearer|basic)\s+)[a-z0-9._~+/=-]{6,}
    | \bnova_(?:read_only|operator|admin)_[0-9a-z]{20,}
    | (?P<name>(?:password|passwd|secret|api[_-]?key|access[_-]?key|token)["']?
       \s*[:=]\s*["']?)[^\s"',;&}]{3,}
    | (?P<user>://[^/\s:@]*:)[^/\s@]+(?=@)
    """
)
_PERCENT = re.compile("%[0-9A-F]{2}")
_OF_GO = re.compile("[<>&]")
"""The characters that Go's encoder of JSON writes as numbers."""
_OF_DOTNET = re.compile("[\"'&<>+`]|[^ -~]")
"""The same of .NET's encoder."""


class Redactor:
    """Redacts the secrets of one run.

    secrets  their values; each is also found percent-encoded, in JSON as the usual encoders write
             it, in HTML, in base64 and in hexadecimal
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings = {text for secret in secrets if secret for text in _spellings(secret)}
        self._spellings = sorted(spellings, key=len, reverse=True)

    @property
    def longest(self) -> int:
        """The length of the longest spelling: callers read this much more than they show."""
        return len(self._spellings[0]) if self._spellings else 0

    def shown(self, text: str, most: int, *, cut: bool = False) -> tuple[str, bool]:
        """Return a text without secrets, of at most `most` bytes of UTF-8, and whether it is
        shorter than the original.

        cut  the text is only the beginning of the original: a secret at its end may be incomplete
        """
        if cut:
            text = self._without_partial_end(text.rstrip("\ufffd"))  # half of a character
        for secret in self._spellings:
            text = text.replace(secret, HIDDEN)
        text = _CREDENTIALS.sub(_hide, text).replace("\0", "\ufffd")
        raw = text.encode("utf-8", "replace")
        if len(raw) <= most:
            return raw.decode(), cut
        return raw[:most].decode("utf-8", "ignore"), True

    def _without_partial_end(self, text: str) -> str:
        longest = 0
        for secret in self._spellings:
            for size in range(min(len(secret) - 1, len(text)), longest, -1):
                if text.endswith(secret[:size]):
                    longest = size
                    break
        return text[: len(text) - longest]


def _hide(found: re.Match[str]) -> str:
    before = found["scheme"] or found["name"] or found["user"] or ""
    return f"{before}{HIDDEN}"


def _spellings(secret: str) -> set[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    quoted = quote(secret, safe="", errors="replace"), quote_plus(secret, errors="replace")
    html = escape(secret).replace("&#x27;", "&#39;")
    found = {secret, *quoted, escape(secret), html, html.replace("&quot;", "&#34;")}
    found |= {_PERCENT.sub(lambda part: part[0].lower(), text) for text in quoted}
    for inside in _in_json(secret):
        found |= {inside, json.dumps(inside)[1:-1]}
    found |= {raw.hex(), raw.hex().upper()}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        found |= {_stable(encode, raw, before) for before in range(3)}
    return {text for text in found if len(text) >= 4}


def _in_json(secret: str) -> Iterator[str]:
    """Generate the spellings of a text inside JSON."""
    for ascii_only in (False, True):
        plain = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield plain
        yield plain.replace("/", "\\/")  # PHP
        yield _OF_GO.sub(lambda part: _as_numbers(part[0], "04x"), plain)
    quoted = json.dumps(secret, ensure_ascii=False)[1:-1].replace('\\"', '"')
    yield _OF_DOTNET.sub(lambda part: _as_numbers(part[0], "04X"), quoted)


def _as_numbers(character: str, form: str) -> str:
    """Return a character as JSON can write any: `\\u` and a number for each UTF-16 code unit."""
    raw = character.encode("utf-16-be", "surrogatepass")
    units = (int.from_bytes(raw[at : at + 2]) for at in range(0, len(raw), 2))
    return "".join(f"\\u{unit:{form}}" for unit in units)


def _stable(encode: object, raw: bytes, before: int) -> str:
    """Return the part of the base64 of a longer text that depends on `raw` alone, if so many bytes
    (modulo 3) are before it."""
    assert callable(encode)
    text: str = encode(b"\0" * before + raw).decode().rstrip("=")
    first = (0, 2, 3)[before]
    last = len(text) - (1 if (before + len(raw)) % 3 else 0)
    return text[first:last]
