"""ULIDs: 48 bits of milliseconds, 80 bits of chance, in Crockford's base 32."""

from __future__ import annotations

import os
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id(prefix: str) -> str:
    """`prefix_` and a fresh ULID. Ids made later sort later, to the millisecond."""
    number = int(time.time() * 1000) << 80 | int.from_bytes(os.urandom(10))
    return f"{prefix}_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -5, -5))
