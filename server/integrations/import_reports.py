"""The fields of a resource that describe its import."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import orjson

_MOST_REPORTED = 8_000
_LONGEST_TEXT = 300


def digest_of(content: Any) -> str:
    """A digest of JSON, by which an import recognizes what has not changed."""
    text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS, default=str)
    return sha256(text).hexdigest()[:32]


def reported(notes: Sequence[str]) -> dict[str, Any]:
    """The data that was not imported, limited to the size of a resource: the first notes, and their
    number."""
    shown, size = [], 0
    for note in notes:
        text = note[:_LONGEST_TEXT]
        size += len(orjson.dumps(text)) + 1
        if size > _MOST_REPORTED:
            break
        shown.append(text)
    return {"not_imported": shown, "not_imported_count": len(notes)}
