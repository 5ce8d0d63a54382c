"""Text that may hold bytes that are no UTF-8, as the lone surrogates of Python's `surrogateescape`.

Strings of queries and templates may have such bytes, as in Go (`"\\xff"`). The encoders of JSON and
Arrow and the databases reject them, so what leaves the engine has the replacement character
instead, as in JSON that Go writes.
"""

from __future__ import annotations

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def is_utf8(text: str) -> bool:
    """Whether a text has no lone surrogates."""
    return lone_surrogate(text) is None


def lone_surrogate(text: str) -> int | None:
    """Return the position of the first lone surrogate."""
    if text.isascii():
        return None
    found = _SURROGATE.search(text)
    return None if found is None else found.start()


def valid_text(text: str) -> str:
    """Return the text with U+FFFD in place of each lone surrogate.

    >>> valid_text("a\\udcff")
    'a\\ufffd'
    """
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)
