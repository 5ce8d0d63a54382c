"""CRC-32C that includes the identity of its file.

So the checksum of an intact page fails if the page is in another file or at another place.
"""

from __future__ import annotations

import struct

import google_crc32c

_PLACE = struct.Struct("<8sQ")


def checksum(identity: bytes, kind: bytes, number: int, *pieces: bytes) -> int:
    """Return the CRC-32C of the file's identity, the kind of part, its number, and its bytes.

    kind: at most 8 bytes, such as b"page".
    """
    crc: int = google_crc32c.value(identity + _PLACE.pack(kind, number))
    for piece in pieces:
        crc = google_crc32c.extend(crc, piece)
    return crc
