"""How much memory the objects of a JSON text would take, before there are any."""

from __future__ import annotations

from novaql.errors import LimitExceeded

FREE_BYTES = 32 << 20
TIMES = 3
_SMALL = 512 << 10
_OBJECT, _EMPTY, _LIST, _ITEM, _TEXT = 184, 64, 72, 36, 60


def check_json_memory(text: bytes, what: str) -> None:
    """Raises `LimitExceeded` for a text whose objects would take more than 32 MiB and three times
    its size. It is an estimate by counting brackets, commas and quotes, also those inside texts.

    what  names the text in the message
    """
    if len(text) <= _SMALL:
        return
    empty = text.count(b"{}")
    objects = text.count(b"{") - empty
    commas, quotes, colons = text.count(b","), text.count(b'"'), text.count(b":")
    needed = (
        objects * _OBJECT
        + empty * _EMPTY
        + text.count(b"[") * _LIST
        + commas * _ITEM
        + max(0, quotes // 2 - colons) * _TEXT
    )
    if needed > FREE_BYTES + TIMES * len(text):
        raise LimitExceeded(
            f"{what} of {len(text)} bytes holds too many values to be read at once; "
            "send them in smaller parts"
        )
