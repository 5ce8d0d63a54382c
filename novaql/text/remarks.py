"""Warnings and infos as a person reads them, behind the word `warning` or `info`."""

from __future__ import annotations

import re

_KIND = re.compile(r"(?:NovaQL|PromQL) (?:info|warning): ")


def remark(text: str) -> str:
    """The text of a warning or info without its kind, which the reader sees in front of it."""
    return _KIND.sub("", text, count=1) if _KIND.match(text) else text
