"""Label names in paths: plain, or escaped with `U__` as Prometheus does for names in UTF-8."""

from __future__ import annotations

import re

from novaql.server.errors import InvalidRequest

_ESCAPED = re.compile(r"__|_([0-9a-fA-F]{1,6})_")


def unescaped_name(text: str) -> str:
    """The label name that a path means. Raises `InvalidRequest` for what can be none."""
    if not text:
        raise InvalidRequest('invalid label name: ""')
    if not text.startswith("U__"):
        return text
    body = text[3:]
    # What is not a whole escape was no escape at all: the name stands for itself.
    left = _ESCAPED.sub("", body)
    if "_" in left:
        return text
    try:
        return _ESCAPED.sub(lambda m: chr(int(m[1], 16)) if m[1] else "_", body)
    except ValueError:
        return text
