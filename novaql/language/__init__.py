"""The language: text ⇄ tree, types, and what every function is."""

from __future__ import annotations

from novaql.language.check import type_of
from novaql.language.parse import parse

__all__ = ["parse", "type_of"]
