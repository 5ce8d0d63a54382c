"""Ids of resources: a prefix for the type, and a ULID.

A ULID has 48 bits of milliseconds and 80 random bits, in 26 letters
(https://github.com/ulid/spec). Every request has one, so this module creates it without an object
for each part.
"""

from __future__ import annotations

import os
import re
import threading
import time

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [a + b for a in _LETTERS for b in _LETTERS]
_SHIFTS = tuple(range(120, -1, -10))
_CHANCE_BYTES = 10
_LOCK = threading.Lock()
_ID = re.compile(r"[a-z]{2,5}_[0-7][0-9A-HJKMNP-TV-Z]{25}")
_last = 0


def new_id(prefix: str) -> str:
    """Create an id: `prefix_` and a new ULID. In one process, later ids sort after earlier ones."""
    global _last
    with _LOCK:
        chance = int.from_bytes(os.urandom(_CHANCE_BYTES))
        fresh = (time.time_ns() // 1_000_000 << 8 * _CHANCE_BYTES) | chance
        _last = made = fresh if fresh > _last else _last + 1
    return f"{prefix}_{ulid_text(made)}"


def continue_after(made: str) -> None:
    """Make the later ids of this process sort after an id that an earlier process created. The
    clock may have been set back since then."""
    global _last
    number = 0
    for letter in made.rpartition("_")[2]:
        number = number << 5 | _LETTERS.index(letter)
    with _LOCK:
        _last = max(_last, number)


def ulid_text(number: int) -> str:
    """Encode 128 bits in Crockford's base32."""
    return "".join([_PAIRS[number >> shift & 0x3FF] for shift in _SHIFTS])


def is_id(text: str) -> bool:
    """Whether a text has the format of an id."""
    return _ID.fullmatch(text) is not None
