"""Masks secrets in requests of other systems, for the log of a hook."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from novaql.server.crypto.redaction import HIDDEN
from novaql.server.errors import InvalidRequest
from novaql.server.http.strict_json import check_values, parse_json

_WORDS = (
    *("secret", "password", "passwd", "passphrase", "credential", "authorization", "token"),
    *("apikey", "privatekey", "accesskey", "signingkey", "signature", "cookie", "session", "jwt"),
)
_BEARER = re.compile(r"(?i)\b(bearer|basic|token)\s+[\w.~+/=-]{8,}")
_USER_INFO = re.compile(r"(?<=\w://)[^\s/?#@]+@")
_MOST_HEADERS, _LONGEST_VALUE, _LONGEST_BODY = 40, 500, 8192


def is_secret_name(name: str) -> bool:
    """Whether a header or field of another system probably has a secret: `X-Api-Key`, `authToken`.

    Other systems write names in all ways, so this hides more than the redaction of own fields.
    """
    plain = re.sub(r"[^a-z]", "", name.lower())
    return any(word in plain for word in _WORDS)


def masked_headers(headers: Mapping[str, str], signature: str) -> dict[str, str]:
    """The headers; that with the signature, and those with names of secrets, are hidden."""
    return {
        name[:100]: HIDDEN
        if name == signature or is_secret_name(name)
        else masked_text(value)[:_LONGEST_VALUE]
        for name, value in list(headers.items())[:_MOST_HEADERS]
    }


def masked_body(body: bytes) -> str:
    """The beginning of a JSON body, with secrets hidden. "": it is not JSON."""
    try:
        value = parse_json(body)
        check_values(value)
    except InvalidRequest:
        return ""
    return orjson.dumps(_masked(value)).decode()[:_LONGEST_BODY]


def masked_text(text: str) -> str:
    """A text without logins: those in URLs, and those that look like an Authorization header."""
    return _USER_INFO.sub(f"{HIDDEN}@", _BEARER.sub(rf"\1 {HIDDEN}", text))


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: HIDDEN if is_secret_name(name) and one is not None else _masked(one)
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [_masked(one) for one in value]
    return masked_text(value) if isinstance(value, str) else value
