"""The functions that are built into Go's templates: comparisons, printing, `len`, `index`."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

from novaql.rules.templates.go_format import go_printf
from novaql.rules.templates.problems import TemplateFailure, joined
from novaql.rules.templates.values import LabelMap, encoded, go_type, shown, truth

Builtin = Callable[..., Any]


def _kind(value: Any) -> str:
    kind = go_type(value)
    if kind not in ("bool", "int", "float64", "string", "<nil>"):
        raise TemplateFailure(f"{kind} cannot be compared")
    return kind


def _equal(first: Any, *others: Any) -> bool:
    if not others:
        raise TemplateFailure("eq needs something to compare with")
    for other in others:
        kinds = {_kind(first), _kind(other)}
        if len(kinds) > 1:
            if "<nil>" in kinds:
                continue
            raise _incompatible(first, other)
        if first == other:
            return True
    return False


def _less(first: Any, other: Any) -> bool:
    kind = _kind(first)
    if kind != _kind(other):
        raise _incompatible(first, other)
    if kind in ("bool", "<nil>"):
        raise TemplateFailure(f"{kind} has no order")
    less: bool = first < other
    return less


def _incompatible(first: Any, other: Any) -> TemplateFailure:
    advice = "; write 5.0 in place of 5" if {type(first), type(other)} == {int, float} else ""
    return TemplateFailure(f"{go_type(first)} and {go_type(other)} cannot be compared{advice}")


def _greater(first: Any, other: Any) -> bool:
    return not (_less(first, other) or _equal(first, other))


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(encoded(value))
    if isinstance(value, (dict, list)):
        return len(value)
    raise TemplateFailure(f"len of {go_type(value)}")


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, dict):
            if not isinstance(key, str):
                raise TemplateFailure(f"a label name is a text, not {go_type(key)}")
            value = value.get(key, "" if isinstance(value, LabelMap) else None)
        elif isinstance(value, (list, str)):
            items: Any = encoded(value) if isinstance(value, str) else value
            if not isinstance(key, int) or not 0 <= key < len(items):
                raise TemplateFailure(f"index {shown(key)} is out of range")
            value = items[key]
        else:
            raise TemplateFailure(f"{go_type(value)} has no index")
    return value


def _slice(value: Any, *bounds: Any) -> Any:
    if not isinstance(value, (str, list)) or len(bounds) > 2:
        raise TemplateFailure(f"{go_type(value)} cannot be sliced so")
    items: Any = encoded(value) if isinstance(value, str) else value
    first = bounds[0] if bounds else 0
    last = bounds[1] if len(bounds) > 1 else len(items)
    if not (isinstance(first, int) and isinstance(last, int) and 0 <= first <= last <= len(items)):
        raise TemplateFailure("the bounds of a slice are out of range")
    part = items[first:last]
    return part.decode(errors="replace") if isinstance(value, str) else part


def _print(*values: Any) -> str:
    out: list[str] = []
    before: Any = ""
    for place, value in enumerate(values):
        # Go puts a blank between two values unless one of them is a text.
        if place and not isinstance(value, str) and not isinstance(before, str):
            out.append(" ")
        out.append(shown(value))
        before = value
    return joined("", out)


def _printf(pattern: Any, *values: Any) -> str:
    if not isinstance(pattern, str):
        raise TemplateFailure(f"the pattern of printf is a text, not {go_type(pattern)}")
    return go_printf(pattern, list(values))


def _println(*values: Any) -> str:
    return joined(" ", map(shown, values)) + "\n"


BUILTINS: dict[str, Builtin] = {
    "eq": _equal,
    "ne": lambda first, other: not _equal(first, other),
    "lt": _less,
    "le": lambda first, other: _less(first, other) or _equal(first, other),
    "gt": _greater,
    "ge": lambda first, other: not _less(first, other),
    "not": lambda value: not truth(value),
    "len": _length,
    "index": _index,
    "slice": _slice,
    "print": _print,
    "printf": _printf,
    "println": _println,
    "html": lambda *values: (
        html.escape(_print(*values)).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")
    ),
    "js": lambda *values: (
        json.dumps(_print(*values))[1:-1]
        .replace("<", "\\u003C")
        .replace(">", "\\u003E")
        .replace("'", "\\'")
    ),
    "urlquery": lambda *values: quote_plus(_print(*values), errors="surrogateescape"),
}
"""Without `and` and `or`, which evaluate only the arguments that they need."""

SHORT_CIRCUIT = ("and", "or")
