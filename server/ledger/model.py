"""The content of entries, as pure functions: bounded, without secrets, in one form."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from novaql.ledger import canonical_json
from novaql.server.crypto.redaction import hidden

LONGEST_TEXT = 1000
"""Longer texts in an entry are cut, with the hash of the whole."""
LONGEST_LEAF = 16 << 10
"""Larger data of an entry is replaced by its hash."""


def leaf_of(
    log: str, index: int, at: str, kind: str, actor: str, request_id: str, data: Mapping[str, Any]
) -> bytes:
    """Return the bytes of an entry. `actor` is an id: entries contain no names of people."""
    return canonical_json(
        {
            "actor": actor,
            "at": at,
            "data": bounded(data),
            "index": index,
            "kind": kind,
            "log": log,
            "request_id": request_id,
        }
    )


def readable(leaf: bytes) -> str:
    """Return the text of an entry. Bytes that are not UTF-8 (a changed row) are replaced."""
    return leaf.decode(errors="replace")


def bounded(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return data with secrets redacted and long texts cut; only its hash if it is still large."""
    shown = _cut(hidden(None, data)[1])
    raw = canonical_json(shown)
    if len(raw) > LONGEST_LEAF:
        return {"too_large": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    assert isinstance(shown, dict)
    return shown


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{value[:LONGEST_TEXT]}… ({len(value)} characters, sha256 {digest})"
    if isinstance(value, Mapping):
        return {str(name): _cut(inside) for name, inside in value.items()}
    if isinstance(value, list | tuple):
        return [_cut(inside) for inside in value]
    return value
