"""The parser made from `grammar/`, once a process."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from lark import Lark

import grammar as grammar_folder
from novaql.language.builder import PromqlBuilder


@cache
def parser() -> Lark:
    """Lark's LALR parser that builds the tree while it reads."""
    path = Path(grammar_folder.__file__).parent / "promql.lark"
    return Lark.open(
        str(path),
        parser="lalr",
        maybe_placeholders=False,
        transformer=PromqlBuilder(),
    )
