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
    return text.isascii() or _SURROGATE.search(text) is None


def valid_text(text: str) -> str:
    """Return the text with U+FFFD in place of each lone surrogate.

    >>> valid_text("a\\udcff")
    'a\\ufffd'
    """
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)
