"""Warnings and infos as shown after the word `warning` or `info`."""

from __future__ import annotations

import re

_KIND = re.compile(r"(?:NovaQL|PromQL) (?:info|warning): ")


def remark(text: str) -> str:
    """The text of a warning or info without its kind, which is shown before it."""
    return _KIND.sub("", text, count=1) if _KIND.match(text) else text
