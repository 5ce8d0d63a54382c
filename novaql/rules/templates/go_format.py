"""`printf` as Go's fmt does it, for the kinds of values that templates have."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterator
from typing import Any

from novaql.rules.templates.problems import TemplateFailure, joined
from novaql.rules.templates.values import encoded, go_type, shown
from novaql.text.go_text import go_number, quote

_VERB = re.compile(r"%([-+# 0]*)(\*|[0-9]+)?(?:\.(\*|[0-9]*))?(?:\[([1-9])\])?(.?)", re.S)
_WIDEST = 10_000
_DEFAULT_PRECISION = {"e": 6, "E": 6, "f": 6, "F": 6}


def go_printf(pattern: str, arguments: list[Any]) -> str:
    """The pattern with its verbs filled in. A value that a verb does not accept appears as in Go:
    `%!d(string=x)`."""
    return joined("", _pieces(pattern, arguments))


def _pieces(pattern: str, arguments: list[Any]) -> Iterator[str]:
    waiting = deque(arguments)
    in_order = True
    at = 0
    for hit in _VERB.finditer(pattern):
        yield pattern[at : hit.start()]
        at = hit.end()
        if hit[4] is not None:  # %[2]v: continue from the second argument
            in_order = False
            waiting = deque(arguments[int(hit[4]) - 1 :])
        yield _filled(hit, waiting)
    yield pattern[at:]
    if waiting and in_order:
        extra = joined(", ", (f"{go_type(value)}={shown(value)}" for value in waiting))
        yield f"%!(EXTRA {extra})"


def _filled(hit: re.Match[str], waiting: deque[Any]) -> str:
    flags, width_text, precision_text, _, verb = hit.groups()
    width = _size(width_text, waiting)
    precision = None if precision_text is None else _size(precision_text or "0", waiting)
    if verb == "%":
        return "%"
    if not verb:
        return "%!(NOVERB)"
    if not waiting:
        return f"%!{verb}(MISSING)"
    value = waiting.popleft()
    text = _formatted(value, verb, flags, precision)
    if text is None:
        plain = _formatted(value, "v", flags, precision) or ""
        return f"%!{verb}({go_type(value)}={_padded(plain, flags, width, value)})"
    return _padded(text, flags, width, value)


def _size(text: str | None, waiting: deque[Any]) -> int | None:
    if text is None:
        return None
    if text == "*":
        size = waiting.popleft() if waiting else None
        if not isinstance(size, int):
            return None
    else:
        size = int(text) if len(text) < 10 else _WIDEST + 1
    if abs(size) > _WIDEST:
        raise TemplateFailure(f"printf: a width above {_WIDEST}")
    return size


def _padded(text: str, flags: str, width: int | None, value: Any) -> str:
    if width is None or len(text) >= abs(width):
        return text
    if "-" in flags or width < 0:
        return text.ljust(abs(width))
    finite = not (isinstance(value, float) and not math.isfinite(value))
    if "0" in flags and finite:
        sign = text[0] if text[:1] in "+- " and isinstance(value, (int, float)) else ""
        return sign + text[len(sign) :].rjust(width - len(sign), "0")
    return text.rjust(width)


def _formatted(value: Any, verb: str, flags: str, precision: int | None) -> str | None:
    """Text without padding; None if the verb does not accept the value."""
    if verb == "T":
        return go_type(value)
    if verb == "v":
        if isinstance(value, float):
            return _float(value, "g", flags, precision)
        if isinstance(value, int) and not isinstance(value, bool):
            return _integer(value, "d", flags)
        return _text(value, "s", flags, precision) if isinstance(value, str) else shown(value)
    if isinstance(value, bool):
        return shown(value) if verb == "t" else None
    if isinstance(value, int):
        return _integer(value, verb, flags)
    if isinstance(value, float):
        return _float(value, verb, flags, precision)
    if isinstance(value, str):
        return _text(value, verb, flags, precision)
    return shown(value) if verb == "s" and not isinstance(value, (dict, list)) else None


def _integer(value: int, verb: str, flags: str) -> str | None:
    sign = "-" if value < 0 else "+" if "+" in flags else " " if " " in flags else ""
    size = abs(value)
    prefix = "#" in flags
    match verb:
        case "d":
            return f"{sign}{size}"
        case "x" | "X" | "o" | "b":
            mark = {"x": "0x", "X": "0X", "o": "0", "b": "0b"}[verb] if prefix else ""
            return f"{sign}{mark}{size:{verb}}"
        case "c":
            return _rune(value)
        case "U":
            return f"U+{size:04X}"
        case "q":
            return "'" + quote(_rune(value))[1:-1].replace('\\"', '"').replace("'", "\\'") + "'"
    return None


def _rune(value: int) -> str:
    """The character of a number; U+FFFD for a number that is none, as in Go."""
    is_character = 0 <= value < 0x110000 and not 0xD800 <= value < 0xE000
    return chr(value) if is_character else "\ufffd"


def _float(value: float, verb: str, flags: str, precision: int | None) -> str | None:
    if verb in "xX":
        return _hexadecimal(value, verb)
    if verb not in "eEfFgG":
        return None
    sign = "+" if "+" in flags else " " if " " in flags else ""
    if not math.isfinite(value):
        text = "NaN" if math.isnan(value) else "Inf" if value > 0 else "-Inf"
        if text == "Inf" and not sign and verb in "gG":
            return "+Inf"
        return text if text.startswith("-") else f"{sign or ('+' if text == 'Inf' else '')}{text}"
    if verb in "gG":
        text = go_number(value) if precision is None else significant(value, precision)
        text = text.upper() if verb == "G" else text
    else:
        digits = _DEFAULT_PRECISION[verb] if precision is None else precision
        text = f"{value:.{digits}{verb}}"
    return text if text.startswith("-") else sign + text


def _hexadecimal(value: float, verb: str) -> str:
    """`0x1.8p+01`"""
    if not math.isfinite(value):
        return go_number(value)
    mantissa, _, power = value.hex().partition("p")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    text = f"{mantissa}p{power[0]}{power[1:]:0>2}"
    return text.upper() if verb == "X" else text


def significant(value: float, digits: int) -> str:
    """Go's %.{digits}g: like C's, without padding zeros."""
    if not math.isfinite(value):
        return go_number(value)
    return f"{value:.{max(digits, 1)}g}"


def _text(value: str, verb: str, flags: str, precision: int | None) -> str | None:
    cut = value if precision is None else value[:precision]
    match verb:
        case "s":
            return cut
        case "q":
            return f"`{cut}`" if "#" in flags and "`" not in cut else quote(cut)
        case "x" | "X":
            text = encoded(value).hex()
            return text.upper() if verb == "X" else text
    return None
