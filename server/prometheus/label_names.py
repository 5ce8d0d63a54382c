"""Label names in paths: plain, or escaped with `U__`, Prometheus's escape for UTF-8 names."""

from __future__ import annotations

import re

from novaql.server.errors import InvalidRequest

_ESCAPED = re.compile(r"__|_([0-9a-fA-F]{1,6})_")


def unescaped_name(text: str) -> str:
    """Decode the label name in a path. Raises `InvalidRequest` for an invalid name."""
    if not text:
        raise InvalidRequest('invalid label name: ""')
    if not text.startswith("U__"):
        return text
    body = text[3:]
    # A name with an incomplete escape is not escaped.
    left = _ESCAPED.sub("", body)
    if "_" in left:
        return text
    try:
        return _ESCAPED.sub(lambda m: chr(int(m[1], 16)) if m[1] else "_", body)
    except ValueError:
        return text
