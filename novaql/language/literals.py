"""Numbers and strings: their text, and back.

Numbers follow Go's base-0 parsing, as Prometheus does: `010` is 8, `089` is 89, `0x_1F` is 31.
Strings follow Go's escapes. Bytes that are not UTF-8 (`"\\xff"`) become the lone surrogates of
Python's `surrogateescape`, so that they are preserved.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

from novaql.language.fault import Fault, brief
from novaql.span import Span
from novaql.text.unicode import is_utf8

_MAX_INT64 = 2**63 - 1
_OCTAL = re.compile(r"0_?[0-7]+(?:_[0-7]+)*+")


def parse_number(text: str, span: Span) -> float:
    """The value of a number literal without sign. Raises `Fault` if it is out of range."""
    folded = text.lower()
    if folded in ("inf", "nan"):
        return float(folded)
    whole = _whole_number(folded)
    if whole is not None and whole <= _MAX_INT64:
        return float(whole)
    if folded.startswith("0x"):
        raise Fault(f"the number {brief(text)} is too large for 64 bits", span)
    value = float(folded.replace("_", ""))
    if math.isinf(value):
        raise Fault(f"the number {brief(text)} is too large for a 64-bit float", span)
    return value


_SIZES = {"k": 1, "m": 2, "g": 3, "t": 4}


def parse_size(text: str, span: Span) -> float:
    """The value of a number with a size suffix: `1.5Ki` is 1536, `10M` 10 000 000."""
    folded = text.lower().removesuffix("b")
    binary = folded.endswith("i")
    digits = folded.removesuffix("i")
    factor = (1024 if binary else 1000) ** _SIZES[digits[-1]]
    value = float(Decimal(digits[:-1].replace("_", "")) * factor)
    if math.isinf(value):
        raise Fault(f"the number {brief(text)} is too large for a 64-bit float", span)
    return value


def _whole_number(folded: str) -> int | None:
    digits = folded.replace("_", "")
    if folded.startswith("0x"):
        return int(digits[2:], 16)
    # int() is quadratic in the number of digits; beyond 64 bits the float is the result in any
    # case.
    if not digits.isdigit() or len(digits) > 30:
        return None
    if len(digits) > 1 and digits[0] == "0":
        return int(digits, 8) if _OCTAL.fullmatch(folded) else None
    return int(digits)


def format_number(value: float) -> str:
    """Shortest text that reads back as the same float.

    Positional as in Go's `%f`, but with an exponent below 1e-6 and from 1e21 on.
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    magnitude = abs(value)
    shortest = repr(value)
    if magnitude != 0 and not 1e-6 <= magnitude < 1e21:
        return shortest
    if "e" not in shortest:
        return shortest.removesuffix(".0")
    mantissa, _, exponent = shortest.partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    shift = int(exponent)
    if shift < 0:
        return f"{sign}0.{'0' * (-shift - 1)}{whole}{fraction}"
    return f"{sign}{whole}{fraction.ljust(shift, '0')}"


# --- strings ---------------------------------------------------------------------------------

_ESCAPE = re.compile(
    rb"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([abfnrtv\\'\"]))"
)
_SIMPLE = {
    b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v",
    b"\\": b"\\", b"'": b"'", b'"': b'"',
}  # fmt: skip
_BACKSLASH = ord("\\")


def unquote(literal: str, start: int) -> str:
    """Return the text of a string literal. `start`: its position, for the error."""
    quote, body = literal[0], literal[1:-1]
    if quote == "`" or "\\" not in body:
        return body
    raw = body.encode()
    parts: list[bytes] = []
    done = 0
    while (at := raw.find(_BACKSLASH, done)) >= 0:
        parts.append(raw[done:at])
        found = _ESCAPE.match(raw, at)
        value = None if found is None else _unescaped(found, quote)
        if found is None or value is None:
            raise _bad_escape(raw, at, start)
        parts.append(value)
        done = found.end()
    parts.append(raw[done:])
    return b"".join(parts).decode("utf-8", "surrogateescape")


_NAME_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|(.))", re.I)


def unescaped_name(name: str, span: Span) -> str:
    r"""Return a name without the escapes of MetricsQL: `a\-b`, `\x2d`, `\u00e9`."""
    plain = _NAME_ESCAPE.sub(lambda e: e[3] or chr(int(e[1] or e[2], 16)), name)
    if not is_utf8(plain):
        raise Fault(f"there is no such character as in the name {brief(name)}", span)
    return plain


def _unescaped(found: re.Match[bytes], quote: str) -> bytes | None:
    """The bytes of one escape; None if there is no such character."""
    one_byte, short, long, octal, simple = found.groups()
    if one_byte is not None:
        return bytes([int(one_byte, 16)])
    if octal is not None:
        return bytes([int(octal, 8)]) if int(octal, 8) < 256 else None
    if simple is not None:
        # The other kind of quote needs no escape, and Go rejects one.
        other = b"'" if quote == '"' else b'"'
        return _SIMPLE[simple] if simple != other else None
    point = int(short or long, 16)
    if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF:
        return None
    return chr(point).encode()


def _bad_escape(raw: bytes, at: int, start: int) -> Fault:
    position = start + 1 + len(raw[:at].decode())
    shown = raw[at : at + 12].decode("utf-8", "replace")
    width = 2
    if shown[1:2] in ("x", "u", "U") or shown[1:2].isdigit():
        hexadecimal = re.match(r"\\[xuU]?[0-9a-fA-F]*", shown)
        width = max(2, hexadecimal.end() if hexadecimal else 2)
    return Fault(
        f"unknown escape {shown[:width]} in a string",
        Span(position, position + width),
        suggestion=r"write a backslash as \\, or quote the string with backquotes",
    )
