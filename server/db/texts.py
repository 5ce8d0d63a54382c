"""The encoding of text in both databases: valid Unicode is read back as it was written.

PostgreSQL rejects NUL in text and in JSON, and the functions of SQLite end a text at NUL. Label
values of Prometheus may contain NUL. Every text column and every JSON column therefore escapes it,
in the same way in both databases: U+FDD0, which Unicode will never assign, followed by `0` for NUL
and by `1` for U+FDD0 itself. Lone surrogates, which neither database accepts, become U+FFFD; so do
those that earlier versions stored as U+FDD0 and four hexadecimal digits.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

ESCAPE = "\ufdd0"
_UNSTORABLE = re.compile("[\0\ufdd0\ud800-\udfff]")
_ESCAPED = re.compile("\ufdd0(0|1|d[89a-f][0-9a-f]{2})")
_IN_JSON = re.compile(r"\\(?:u0000|.)|[" + "\ufdd0\ud800-\udfff]", re.DOTALL)
_NUL_IN_JSON = "\\u0000"


def storable(text: str) -> str:
    """Escape the characters of a text that a database rejects."""
    return _UNSTORABLE.sub(lambda found: _escaped(found[0]), text)


def restored(text: str) -> str:
    """Return the text that `storable` encoded."""
    if ESCAPE not in text:
        return text
    return _ESCAPED.sub(lambda found: _unescaped(found[1]), text)


def json_text(value: Any) -> str:
    """Return a value as JSON that both databases accept.

    Raises `TypeError` for a value that is not JSON, and for integers beyond 64 bits.
    """
    try:
        text = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        if not _UNSTORABLE.search(text):  # no surrogate: the error has another cause
            raise
    if _NUL_IN_JSON not in text and not _UNSTORABLE.search(text):
        return text
    return _IN_JSON.sub(_escaped_in_json, text)


def json_value(text: str | bytes) -> Any:
    """Return the value that `json_text` encoded."""
    if isinstance(text, bytes):
        text = text.decode()
    if ESCAPE not in text:
        return orjson.loads(text)
    return json.loads(_ESCAPED.sub(lambda found: json.dumps(_unescaped(found[1]))[1:-1], text))


def _escaped_in_json(found: re.Match[str]) -> str:
    part = found[0]
    if part == _NUL_IN_JSON:
        return _escaped("\0")
    return part if part[0] == "\\" else _escaped(part)


def _escaped(character: str) -> str:
    match character:
        case "\0":
            return f"{ESCAPE}0"
        case "\ufdd0":
            return f"{ESCAPE}1"
        case _:
            return "\ufffd"


def _unescaped(code: str) -> str:
    match code:
        case "0":
            return "\0"
        case "1":
            return ESCAPE
        case _:
            return "\ufffd"
