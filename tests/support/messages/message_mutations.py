"""Valid messages, damaged like those of a bad network, a faulty sender or an attacker."""

from __future__ import annotations

from hypothesis import strategies as st

_NASTY = (
    b"",
    b"\x00",
    b"\xff",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\xff\xff\xff\xff\x0f",
    b"\xed\xa0\x80",
    b"\n",
    b'"',
    b"\\",
    b"NaN",
    b"1e999",
    b"9" * 40,
    b" ",
    b",",
    b"=",
    b"{",
    b"}",
    b"[" * 50,
)


@st.composite
def mutated(draw: st.DrawFn, message: bytes) -> bytes:
    """One to four changes: bytes overwritten, cut out, doubled, swapped, or nasty ones put in."""
    data = bytearray(message)
    for _ in range(draw(st.integers(1, 4))):
        size = len(data)
        at = draw(st.integers(0, size))
        length = draw(st.integers(0, min(12, size - at)))
        change = draw(st.integers(0, 5))
        if change == 0 and at < size:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif change == 1:
            del data[at : at + length]
        elif change == 2:
            data[at:at] = data[at : at + length]
        elif change == 3:
            data[at : at + length] = draw(st.sampled_from(_NASTY))
        elif change == 4:
            data[at:at] = draw(st.binary(max_size=6))
        else:
            data = data[:at]
    return bytes(data)
