"""Constants of templates: Go's numbers, characters and quoted texts."""

from __future__ import annotations

import re

from novaql.rules.templates.problems import TemplateProblem
from novaql.rules.templates.tokens import Kind, Token

_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\'\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.?))",
    re.S,
)
_INTEGERS = range(-(2**63), 2**63)
_MEANING = dict(zip("abfnrtv\\'\"", "\a\b\f\n\r\t\v\\'\"", strict=True))


def unquote(token: Token) -> str:
    """Text of a quoted token; bytes that are no UTF-8 are lone surrogates. Raises `TemplateProblem`
    for an escape that Go does not have."""
    inner = token.text[1:-1]
    if token.kind is Kind.RAW:
        return inner

    def meaning(hit: re.Match[str]) -> str:
        simple, two, four, eight, octal, wrong = hit.groups()
        if simple and simple != ("'" if token.kind is Kind.TEXT else '"'):
            return _MEANING[simple]
        code = int(octal, 8) if octal else int(two or four or eight or "110000", 16)
        too_large = code > (0xFF if octal else 0x10FFFF)
        if wrong is not None or too_large or 0xD800 <= code < 0xE000:
            raise TemplateProblem(token.position + 1 + hit.start(), f"{hit[0]} is no escape")
        is_byte = bool(two or octal) and token.kind is Kind.TEXT
        return chr(0xDC00 + code) if is_byte and code >= 0x80 else chr(code)

    # Bytes that make up a character together become this character.
    text = _ESCAPE.sub(meaning, inner)
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def character_value(token: Token) -> int:
    """Code point of a character constant."""
    text = unquote(token)
    if len(text) != 1:
        raise TemplateProblem(token.position, f"{token.text} is not one character")
    return ord(text)


def number_value(token: Token) -> int | float:
    """An int if the text is one, else a float."""
    text = token.text.replace("_", "")
    digits = text.lstrip("+-").lower()
    try:
        value: int | float
        if digits.startswith(("0x", "0b", "0o")):
            value = int(text, 0)
        elif digits.isdigit():
            octal = len(digits) > 1 and digits.startswith("0")
            value = int(text, 8 if octal else 10)
        else:
            value = float(text)
    except ValueError:
        raise TemplateProblem(token.position, f"{token.text} is no number") from None
    if (isinstance(value, int) and value not in _INTEGERS) or abs(value) == float("inf"):
        raise TemplateProblem(token.position, f"{token.text} is too large")
    # As in Go, 1e3 is an integer too; it becomes a float if a float is expected.
    return value
