"""JSON pointers (RFC 6901) into bodies of other systems."""

from __future__ import annotations

from typing import Any


def at_pointer(value: Any, pointer: str) -> Any:
    """Return the value at a pointer; None if there is none. "": the whole value."""
    found = value
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isascii() and name.isdigit() and len(name) < 7:
            number = int(name)
            if number >= len(found):
                return None
            found = found[number]
        else:
            return None
    return found
