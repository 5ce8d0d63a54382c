"""Error messages for invalid fields, which replace those of pydantic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novaql.text import excerpt

UNKNOWN = "no such field or parameter"
_WORDS = {"extra_forbidden": UNKNOWN, "missing": "is required"}


def worded(found: Mapping[str, Any]) -> str:
    """The message for one of `ValidationError.errors()`."""
    return _WORDS.get(found["type"]) or excerpt(str(found["msg"]).removeprefix("Value error, "))
