"""Ids of resources: a prefix that says what it is, and a ULID."""

from __future__ import annotations

import re
import threading
import time

from ulid import ULID

_LOCK = threading.Lock()
_ID = re.compile(r"[a-z]{2,5}_[0-7][0-9A-HJKMNP-TV-Z]{25}")
_last = 0


def new_id(prefix: str) -> str:
    """`prefix_` and a fresh ULID. In one process, ids made later sort later."""
    global _last
    with _LOCK:
        fresh = int(ULID.from_timestamp(time.time()))
        _last = fresh if fresh > _last else _last + 1
        return f"{prefix}_{ULID.from_int(_last)}"


def is_id(text: str) -> bool:
    """Whether a text has the form of an id."""
    return _ID.fullmatch(text) is not None
