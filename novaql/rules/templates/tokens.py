"""Template text → pieces: text, and actions between {{ and }} cut into tokens."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from enum import StrEnum
from typing import NamedTuple

from novaql.rules.templates.problems import TemplateProblem

_BLANK = " \t\r\n"
_COMMENT = re.compile(r"\{\{(-[ \t\r\n])?/\*.*?\*/([ \t\r\n]-)?\}\}", re.S)
_TOKEN = re.compile(
    r"""
    (?P<blank>[ \t\r\n]+)
  | (?P<text>"(?:[^"\\\n]++|\\.)*+")
  | (?P<raw>`[^`]*`)
  | (?P<character>'(?:[^'\\\n]|\\[^\n]+?)')
  | (?P<number>[-+]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+
      |(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?))
  | (?P<field>\.[^\W\d]\w*)
  | (?P<variable>\$\w*)
  | (?P<word>[^\W\d]\w*)
  | (?P<sign>:=|[=|(),.])
    """,
    re.X,
)


class Kind(StrEnum):
    """The kind of a token. OUTER is text outside of actions, OPEN and CLOSE are {{ and }}."""

    OUTER = "outer"
    OPEN = "open"
    CLOSE = "close"
    BLANK = "blank"
    TEXT = "text"
    RAW = "raw"
    CHARACTER = "character"
    NUMBER = "number"
    FIELD = "field"
    VARIABLE = "variable"
    WORD = "word"
    SIGN = "sign"
    END = "end"


_NAMES = (Kind.FIELD, Kind.VARIABLE, Kind.WORD)
_BEHIND_NAMES = ("", *" \t\r\n.,|:()")


class Token(NamedTuple):
    """A piece of the template and where it begins."""

    kind: Kind
    text: str
    position: int


def tokens(text: str) -> Iterator[Token]:
    """Return all tokens but comments, the last one END. Raises `TemplateProblem`."""
    at = 0
    trim = False
    while True:
        start = text.find("{{", at)
        if start < 0:
            start = len(text)
        outer = text[at:start]
        if trim:
            outer = outer.lstrip(_BLANK)
        if text.startswith("{{-", start) and text[start + 3 : start + 4] in tuple(_BLANK):
            outer = outer.rstrip(_BLANK)
        if outer:
            yield Token(Kind.OUTER, outer, at)
        if start == len(text):
            break
        trim = False
        if comment := _COMMENT.match(text, start):
            at = comment.end()
            trim = comment[2] is not None
            continue
        yield Token(Kind.OPEN, "{{", start)
        at = start + 2
        if text[at : at + 1] == "-" and text[at + 1 : at + 2] in tuple(_BLANK):
            at += 1
        at, trim = yield from _action(text, start, at)
    yield Token(Kind.END, "", len(text))


def _action(text: str, start: int, at: int) -> Generator[Token, None, tuple[int, bool]]:
    """Read tokens up to and with }}; return its end, and whether it trims the text after it."""
    depth = 0
    while True:
        if depth == 0 and (end := _end_of_action(text, at)):
            yield Token(Kind.CLOSE, "}}", at)
            return end
        if at >= len(text):
            raise TemplateProblem(start, "the {{ is never closed")
        found = _TOKEN.match(text, at)
        if found is None:
            raise TemplateProblem(at, _what_is_wrong(text, at))
        kind = Kind(found.lastgroup or "")
        if kind is Kind.SIGN:
            depth += {"(": 1, ")": -1}.get(found[0], 0)
            if depth < 0:
                raise TemplateProblem(at, "there is a ) too much")
        elif depth and text.startswith("}}", at):
            raise TemplateProblem(at, "a ( is never closed")
        yield Token(kind, found[0], at)
        at = found.end()
        if kind in _NAMES and not (text[at : at + 1] in _BEHIND_NAMES or text.startswith("}}", at)):
            raise TemplateProblem(at, f"{text[at]!r} cannot follow {found[0]}")


def _end_of_action(text: str, at: int) -> tuple[int, bool] | None:
    if text.startswith("}}", at):
        return at + 2, False
    trimmed = re.compile(r"[ \t\r\n]+-\}\}").match(text, at)
    return None if trimmed is None else (trimmed.end(), True)


def _what_is_wrong(text: str, at: int) -> str:
    if text[at] in "\"'`":
        return "the quotes are never closed"
    if text.startswith("}}", at):
        return "a ( is never closed"
    if text.startswith("/*", at):
        return "a comment must be alone, with nothing between it and {{ and }}"
    return f"{text[at]!r} has no meaning here"
