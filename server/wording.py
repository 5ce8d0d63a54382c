"""What is wrong with a field, in words of the API instead of pydantic's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novaql.text import excerpt

UNKNOWN = "there is no field or parameter of this name"
_WORDS = {"extra_forbidden": UNKNOWN, "missing": "is required"}


def worded(found: Mapping[str, Any]) -> str:
    """One of `ValidationError.errors()` as a sentence."""
    return _WORDS.get(found["type"]) or excerpt(str(found["msg"]).removeprefix("Value error, "))
