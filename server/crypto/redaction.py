"""Redaction of snapshots for audit entries: they show every field but secrets, and which secrets
changed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from novaql.lazy_exports import lazy_module

if TYPE_CHECKING:
    import httpx
else:  # slow to load; only records of changes need it
    httpx = lazy_module("httpx")

HIDDEN = "[hidden]"
HIDDEN_CHANGED = "[hidden, changed]"
_LONG, _SHORTEST = 12, 4
"""Parts of secret URLs, and secrets, of fewer characters are ordinary words."""

_ENDS = re.compile(r"[/?&=#]")
_SECRET_WORDS = ("secret", "password", "credential", "authorization", "api_key", "private_key")
_SECRET_NAMES = frozenset({"token", "digest", "access_token", "refresh_token", "code_verifier"})

Snapshot = Mapping[str, Any]
WRITE_ONLY_URLS = frozenset({"webhook", "channel"})
"""Types of resources whose URLs are write-only."""


def is_secret(name: str) -> bool:
    """Return whether fields of this name are secret and never shown."""
    lower = name.lower()
    return lower in _SECRET_NAMES or any(word in lower for word in _SECRET_WORDS)


def shown_url(url: str) -> str:
    """Return scheme and host of a URL, and an ellipsis for the rest: `https://hooks.example/…`."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return "…"
    host = f"[{parsed.host}]" if ":" in parsed.host else parsed.host
    return f"{parsed.scheme}://{host}/…" if parsed.scheme and host else "…"


def without_secrets(text: str, secrets: Mapping[str, str]) -> str:
    """Return a text of another system without the secrets that it repeats.

    Error pages often contain the path of the request. Of a secret `url`, the path, the query and
    their long parts are secret.
    """
    parts: set[str] = set()
    for name, value in secrets.items():
        parts.add(value)
        if name == "url":
            for address in (value, unquote(value)):
                _, _, after = address.partition("://")
                target = after[len(after.partition("/")[0]) :]
                long = (one for one in _ENDS.split(target) if len(one) >= _LONG)
                parts.update((address, target, target.partition("?")[0], *long))
    for one in sorted(parts, key=len, reverse=True):
        if len(one) >= _SHORTEST:
            text = text.replace(one, HIDDEN)
    return text


def is_shown_url(url: str) -> bool:
    """Return whether a text is a result of `shown_url`, which a client may send back by mistake."""
    return url.endswith("…")


def with_short_urls(value: Any, name: str = "") -> Any:
    """Return JSON data in which every `url` is redacted to scheme and host.

    Audit entries of earlier versions contain whole URLs.
    """
    if isinstance(value, Mapping):
        at = str(value.get("path", ""))  # the path of an operation of a JSON Patch
        return {
            key: with_short_urls(
                inside, at.rpartition("/")[2] if key == "value" and "op" in value else key
            )
            for key, inside in value.items()
        }
    if isinstance(value, list | tuple):
        return [with_short_urls(inside) for inside in value]
    return shown_url(value) if name == "url" and isinstance(value, str) else value


def hidden(
    before: Snapshot | None, after: Snapshot | None
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return both snapshots with redacted secrets. The second marks the secrets that differ."""
    shown_before = None if before is None else _hide(before, None)
    shown_after = None if after is None else _hide(after, before)
    return shown_before, shown_after


def patch(before: Any, after: Any, at: str = "") -> list[dict[str, Any]]:
    """Return the difference as a JSON Patch (RFC 6902). Lists are replaced as a whole."""
    if isinstance(before, dict) and isinstance(after, dict):
        found: list[dict[str, Any]] = []
        for name in before | after:
            place = f"{at}/{name.replace('~', '~0').replace('/', '~1')}"
            if name not in after:
                found.append({"op": "remove", "path": place})
            elif name not in before:
                found.append({"op": "add", "path": place, "value": after[name]})
            else:
                found += patch(before[name], after[name], place)
        return found
    if before == after and type(before) is type(after):
        return []
    return [{"op": "replace", "path": at, "value": after}]


def _hide(value: Snapshot, other: Snapshot | None) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, inside in value.items():
        before = other.get(name) if isinstance(other, Mapping) else None
        if is_secret(name) and inside is not None and not isinstance(inside, bool):
            changed = before is not None and before != inside
            out[name] = HIDDEN_CHANGED if changed else HIDDEN
        elif isinstance(inside, Mapping):
            out[name] = _hide(inside, before if isinstance(before, Mapping) else None)
        elif isinstance(inside, list | tuple):
            out[name] = [_hide(i, None) if isinstance(i, Mapping) else i for i in inside]
        else:
            out[name] = inside
    return out
