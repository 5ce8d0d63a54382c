"""The wire format of Protocol Buffers: fields of a message, without a schema."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from novaql.errors import InputError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types: how the content of a field is written."""


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """An unsigned number of up to 64 bits and the position behind it. Raises `InputError`."""
    shift = number = 0
    while at < end:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
        if shift > 63:
            raise InputError(f"byte {at}: a number has more than ten bytes")
    raise InputError(f"byte {at}: the message ends inside a number")


def fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Fields of the message in data[at:end]: number, wire type, begin and end of the content.

    The content of a varint is its own bytes. Raises `InputError` on a malformed message.
    """
    while at < end:
        key, start = read_varint(data, at, end)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise InputError(f"byte {at}: a field has the number 0")
        if kind == BYTES:
            size, start = read_varint(data, start, end)
            stop = start + size
        elif kind == VARINT:
            _, stop = read_varint(data, start, end)
        elif kind == FIXED64:
            stop = start + 8
        elif kind == FIXED32:
            stop = start + 4
        else:
            raise InputError(f"byte {at}: wire type {kind} does not exist here")
        if stop > end:
            raise InputError(f"byte {at}: field {number} ends behind its message")
        yield number, kind, start, stop
        at = stop


def field_end(data: bytes, at: int, end: int) -> int:
    """Where the field that begins at `at` ends, as in `fields`; faster for small messages and
    texts. Raises `InputError`."""
    if at + 1 < end and data[at] & 0x87 == BYTES < data[at] and data[at + 1] < 0x80:
        stop = at + 2 + data[at + 1]
        if stop <= end:
            return stop
    *_, stop = next(fields(data, at, end))
    return stop


def text(data: bytes, start: int, stop: int) -> str:
    """Raises `InputError` if the bytes are not UTF-8."""
    try:
        return data[start:stop].decode()
    except UnicodeDecodeError as problem:
        raise InputError(f"byte {start + problem.start}: a text is not valid UTF-8") from problem


def signed(number: int) -> int:
    """The signed number of a 64-bit varint."""
    return number - (1 << 64) if number >> 63 else number


def unzigzag(number: int) -> int:
    """The signed number that `zigzag` wrote."""
    return (number >> 1) ^ -(number & 1)


def packed_zigzags(data: bytes, at: int, stop: int) -> list[int]:
    """The signed numbers in data[at:stop], one after the other. Raises `InputError`."""
    packed = data[at:stop]
    numbers: list[int] = []
    number = shift = 0
    if packed.isascii():  # every number is a byte, as small differences are
        numbers += packed
        packed = b""
    for byte in packed:  # `read_varint` at each would take twice the time
        if byte >= 0x80:
            number |= (byte & 0x7F) << shift
            shift += 7
            if shift > 63:
                raise InputError(f"byte {at}: a number has more than ten bytes")
        else:
            numbers.append((number | byte << shift) & 0xFFFF_FFFF_FFFF_FFFF)
            number = shift = 0
    if shift:
        raise InputError(f"byte {stop}: the message ends inside a number")
    return [(n >> 1) ^ -(n & 1) for n in numbers]


def packed_doubles(data: bytes, at: int, stop: int) -> tuple[float, ...]:
    """The floats in data[at:stop], one after the other. Raises `InputError`."""
    if (stop - at) % 8:
        raise InputError(f"byte {at}: {stop - at} bytes are no whole number of doubles")
    return struct.unpack_from(f"<{(stop - at) // 8}d", data, at)


def read_number(data: bytes, at: int, stop: int, wanted: int) -> int:
    """A field of the message in data[at:stop] that is a signed number; 0 if it is absent."""
    value = 0
    for number, kind, first, last in fields(data, at, stop):
        if number == wanted and kind == VARINT:
            value = signed(read_varint(data, first, last)[0])
    return value


def varint(number: int) -> bytes:
    """A number that is not negative, as a varint."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def bytes_field(number: int, content: bytes) -> bytes:
    """A field that is a text, bytes or a message."""
    return varint(number << 3 | BYTES) + varint(len(content)) + content


def number_field(number: int, value: int) -> bytes:
    """A field that is a varint, a signed one as 64 bits."""
    return varint(number << 3) + varint(value & (1 << 64) - 1)


def zigzag(number: int) -> int:
    """A signed number as one that is not negative: 0, -1, 1, -2 … as 0, 1, 2, 3 …"""
    return number << 1 if number >= 0 else (-number << 1) - 1
