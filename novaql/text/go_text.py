"""Strings, numbers and label sets as Go prints them: messages are exactly those of Prometheus."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.text.numbers import number_text

_PLAIN = re.compile(r'[^"\\\x00-\x1f\x7f\ud800-\udfff]*')
_NAMED = {"\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t",
          "\v": r"\v", "\\": r"\\", '"': r"\""}  # fmt: skip
_REFERENCE = re.compile(r"\$(?:\$|(\{)?(\w+))")
_GROUP_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_SIGNED_NAN = re.compile(r"[+-]nan", re.IGNORECASE)
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
_HEXADECIMAL = re.compile(
    r"[+-]?0x(?=_?[0-9a-f]|\.[0-9a-f])(?:_?[0-9a-f])*+(?:\.(?:[0-9a-f](?:_?[0-9a-f])*+)?)?"
    r"p[+-]?[0-9](?:_?[0-9])*+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class GroupReference:
    """A reference to a group in a template of Go's regular expressions: `$1`, `${1}`, `$name`.

    text    as it is in the template
    name    of the group, or its number in digits; None: `$$`, a dollar sign
    begin, end  its place in the template
    """

    text: str
    name: str | None
    begin: int
    end: int

    @property
    def number(self) -> int | None:
        """The number of the group; None if the reference is a name, as with leading zeros."""
        is_number = self.name is not None and _GROUP_NUMBER.fullmatch(self.name)
        return int(self.name) if is_number and self.name else None


def group_references(template: str) -> Iterator[GroupReference]:
    """The references of a template, by the rules of `Regexp.Expand` of Go (`regexp.extract`).

    A name is the longest run of letters, decimal digits and `_` of Unicode; `$` without a name, and
    a brace without its partner, are plain text.

    >>> [(r.text, r.number) for r in group_references("$1x ${1}x $01 $$ ${1 $")]
    [('$1x', None), ('${1}', 1), ('$01', None), ('$$', None)]
    """
    at = 0
    while found := _REFERENCE.search(template, at):
        begin, at = found.span()
        name = found[2]
        if name is not None:
            # \w also matches numerals that are neither letters nor decimal digits, such as "²".
            length = next((n for n, c in enumerate(name) if not _in_name(c)), len(name))
            name, at = name[:length], at - len(name) + length
            braced = found[1] is not None
            if not name or (braced and template[at : at + 1] != "}"):
                at = begin + 1
                continue
            at += braced
        yield GroupReference(template[begin:at], name, begin, at)


def template_parts(template: str, groups: int, names: Mapping[str, int]) -> list[str | int]:
    """The texts of a template, and the numbers of the groups between them. A group that the pattern
    does not have is empty, as in `Regexp.Expand` of Go.

    groups  their number in the pattern
    names   of groups → their numbers

    >>> template_parts("<$1> ${host}$9 $$", 2, {"host": 2})
    ['<', 1, '> ', 2, ' ', '$']
    """
    parts: list[str | int] = []
    at = 0
    for found in group_references(template):
        parts.append(template[at : found.begin])
        at = found.end
        if found.name is None:
            parts.append("$")
        elif found.number is None and found.name in names:
            parts.append(names[found.name])
        elif found.number is not None and found.number <= groups:
            parts.append(found.number)
    parts.append(template[at:])
    return [part for part in parts if part != ""]


def _in_name(character: str) -> bool:
    return character.isalpha() or character.isdecimal() or character == "_"


def parse_go_float(text: str) -> float | None:
    """The number that `strconv.ParseFloat` of Go reads; None where that returns an error, such as
    for a number that is too large.

    >>> [parse_go_float(text) for text in ("0x1p1", "1_0", "-Inf", " 1", "0x10", "1e400")]
    [2.0, 10.0, -inf, None, None, None]
    """
    if not text.isascii() or text != text.strip() or _SIGNED_NAN.fullmatch(text):
        return None
    try:
        if _HEXADECIMAL.fullmatch(text):
            return float.fromhex(text.replace("_", ""))
        value = float(text)
    except (ValueError, OverflowError):
        return None
    return None if math.isinf(value) and not _INFINITE.fullmatch(text) else value


def quote(text: str) -> str:
    """A double-quoted literal of the text; bytes that are not UTF-8 become `\\xff` (Go's `%q`)."""
    if _PLAIN.fullmatch(text):
        return f'"{text}"'
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return character


def label_text(labels: Mapping[str, str]) -> str:
    """`{__name__="m", a="b"}`, as Prometheus prints a label set in errors."""
    return "{" + ", ".join(f"{name}={quote(value)}" for name, value in labels.items()) + "}"


def go_number(value: float) -> str:
    """As Go's %g: shortest digits, exponent form below 1e-4 and from 1e6.

    >>> [go_number(x) for x in (0.5, 3.0, 1234567.0, 1e-5)]
    ['0.5', '3', '1.234567e+06', '1e-05']
    """
    if not math.isfinite(value):
        return number_text(value)
    plain = value == 0 or 1e-4 <= abs(value) < 1e6
    return shortest_decimal(value) if plain else scientific(value)


def scientific(value: float) -> str:
    """A finite number with an exponent of at least two digits: Go's %e with the shortest digits."""
    return np.format_float_scientific(value, trim="-", exp_digits=2)


def shortest_decimal(value: float) -> str:
    """Shortest digits without an exponent: Go's `FormatFloat(v, 'f', -1, 64)`.

    >>> shortest_decimal(1e21), shortest_decimal(0.1)
    ('1000000000000000000000', '0.1')
    """
    if not math.isfinite(value):
        return number_text(value)
    return np.format_float_positional(value, trim="-")
