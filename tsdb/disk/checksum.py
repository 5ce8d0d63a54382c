"""CRC-32C with the identity of the thing mixed in.

A page that is whole, but belongs to another file or another place, fails its checksum too.
"""

from __future__ import annotations

import struct

import google_crc32c

CHECKSUM_BYTES = 4
_PLACE = struct.Struct("<8sQ")


def checksum(identity: bytes, kind: bytes, number: int, *pieces: bytes) -> int:
    """CRC-32C over the file's identity, what it is a part of, its number there, and the pieces.

    kind: at most 8 bytes, such as b"page".
    """
    crc: int = google_crc32c.value(identity + _PLACE.pack(kind, number))
    for piece in pieces:
        crc = google_crc32c.extend(crc, piece)
    return crc
