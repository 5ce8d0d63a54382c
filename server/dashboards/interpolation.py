"""Interpolation of variables in queries. No value can change the structure of a query.

`$name`, `${name}`, `${name:format}` and `[[name]]` are references. The position of a reference
decides how its value is inserted:

in quotes, after `=~` or `!~`     each value with its regex characters escaped; several values are
                                  an alternation `(a|b)`
in other quotes                   the one value, unchanged
outside of quotes the value must be one number, duration, or name that is not a keyword

Values in quotes are also escaped for the quotes. Formats: `regex` (as after `=~`), `pipe` and `raw`
(joined by `|`, regex characters not escaped), `csv` (outside of quotes: names separated by commas,
for `by (${labels:csv})`). Unknown names are not references: `$1` and `${1}` belong to
label_replace.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from itertools import product

from novaql import QueryError, Span
from novaql.fast_dataclass import dataclass
from novaql.language import parse

_REFERENCE = re.compile(
    r"\$\{(?P<braced>[a-zA-Z_]\w*)(?::(?P<format>\w+))?\}"
    r"|\[\[(?P<squared>[a-zA-Z_]\w*)(?::(?P<format2>\w+))?\]\]"
    r"|\$(?P<plain>[a-zA-Z_]\w*)",
    re.ASCII,
)
_LEXEME = re.compile(
    r"""(?P<comment>\#[^\n]*)|(?P<quoted>"(?:[^"\\\n]|\\.)*+"|'(?:[^'\\\n]|\\.)*+'|`[^`]*+`)
    |(?P<open>"(?:[^"\\\n]|\\.)*+|'(?:[^'\\\n]|\\.)*+|`[^`]*+)""",
    re.DOTALL | re.VERBOSE,
)
_NUMBER = re.compile(r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:NaN|Inf)", re.ASCII)
_DURATION = re.compile(r"(?:\d+(?:ms|[smhdwy]))+", re.ASCII)
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
_KEYWORDS = frozenset(
    [
        "and",
        "or",
        "unless",
        "atan2",
        "offset",
        "by",
        "without",
        "on",
        "ignoring",
        "group_left",
        "group_right",
        "bool",
        "start",
        "end",
        "anchored",
        "smoothed",
        "fill",
        "fill_left",
        "fill_right",
    ]
)
_REGEX_CHARACTERS = re.compile(r"[\\.+*?()|\[\]{}^$]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
FORMATS = ("regex", "pipe", "raw", "csv")
MOST_VALUES = 1000


class BadValue(ValueError):
    """The value is invalid at the position of its variable. `variable` is the name."""

    def __init__(self, variable: str, message: str) -> None:
        super().__init__(f"variable {variable}: {message}")
        self.variable = variable


class NoValue(BadValue):
    """The variable has no options. A query that uses it has no result; this is no client error."""


@dataclass(frozen=True, slots=True)
class Value:
    """The value of a variable.

    texts    the chosen values
    pattern  a regex of the author that matches all of them; None uses the values
    """

    texts: tuple[str, ...]
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """A variable in a query. `quote`: the quotes around it, or ""; `matcher`: `=~`, for example."""

    name: str
    format: str | None
    span: Span
    quote: str
    matcher: str


def references(text: str) -> Iterator[Reference]:
    """The references in a query, from left to right, except in comments."""
    for start, end, quote in _parts(text):
        for found in _REFERENCE.finditer(text, start, end):
            name = found["braced"] or found["squared"] or found["plain"]
            matcher = _matcher_before(text, start) if quote else ""
            form = found["format"] or found["format2"]
            yield Reference(name, form, Span(found.start(), found.end()), quote, matcher)


def interpolated(text: str, values: Mapping[str, Value]) -> str:
    """Replace the references in a query with their values. Raises `BadValue`."""
    out: list[str] = []
    done = 0
    for reference in references(text):
        value = values.get(reference.name)
        if value is None:
            continue
        out += [text[done : reference.span.start], _put(reference, value)]
        done = reference.span.end
    return "".join([*out, text[done:]])


def escaped_regex(text: str) -> str:
    """An RE2 regex that matches only this text."""
    return _REGEX_CHARACTERS.sub(lambda found: "\\" + found[0], text)


def _parts(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and quote of each part of a query that may contain references."""
    done = 0
    for found in _LEXEME.finditer(text):
        yield done, found.start(), ""
        if found["open"] is not None:
            yield found.start(), found.end(), ""
        if found["quoted"] is not None:
            yield found.start() + 1, found.end() - 1, found["quoted"][0]
        done = found.end()
    yield done, len(text), ""


def _matcher_before(text: str, start: int) -> str:
    """The operator before a quoted text that begins at `start`."""
    before = text[: start - 1].rstrip()
    return next((op for op in ("=~", "!~", "!=", "=") if before.endswith(op)), "")


def _put(reference: Reference, value: Value) -> str:
    name, form = reference.name, reference.format
    if form is not None and form not in FORMATS:
        raise BadValue(name, f"there is no format {form}; there are {', '.join(FORMATS)}")
    if not value.texts and (value.pattern is None or form == "csv"):  # a pattern is no list
        raise NoValue(name, "it has no value")
    if len(value.texts) > MOST_VALUES:
        raise BadValue(
            name, f"{len(value.texts)} values are too many; at most {MOST_VALUES} can be put in"
        )
    if not reference.quote:
        return _outside(name, form, value)
    return _quoted(_inside(reference, value), reference.quote, name)


def _inside(reference: Reference, value: Value) -> str:
    name, form = reference.name, reference.format
    if form in ("pipe", "raw"):
        return value.pattern if value.pattern is not None else "|".join(value.texts)
    if form == "csv":
        return ",".join(value.texts)
    if form == "regex" or reference.matcher in ("=~", "!~"):
        if value.pattern is not None:
            return value.pattern
        escaped = [escaped_regex(text) for text in value.texts]
        return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
    if value.pattern is not None or len(value.texts) != 1:
        where = f"behind {reference.matcher}" if reference.matcher else "here"
        raise BadValue(name, f"several values are not allowed {where}; use =~")
    return value.texts[0]


def _quoted(text: str, quote: str, name: str) -> str:
    """Escape a text for a kind of quotes."""
    if quote == "`":
        if "`" in text or "\r" in text:
            raise BadValue(name, "a value with a back quote is not allowed in back quotes")
        return text
    text = text.replace("\\", "\\\\").replace(quote, "\\" + quote)
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _outside(name: str, form: str | None, value: Value) -> str:
    if form == "csv":
        return ", ".join(_name(name, text) for text in value.texts)
    if value.pattern is not None or len(value.texts) != 1:
        raise BadValue(name, "several values are not allowed outside of quotes")
    text = value.texts[0]
    if _NUMBER.fullmatch(text) or _DURATION.fullmatch(text):
        return f"({text})" if text.startswith(("-", "+")) else text
    return _name(name, text)


def _name(variable: str, text: str) -> str:
    if not _NAME.fullmatch(text) or text.lower() in _KEYWORDS:
        raise BadValue(
            variable, f"{_short(text)} is no number, duration or name, and is outside of quotes"
        )
    return text


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")


def check(
    text: str,
    declared: Iterable[str],
    durations: Iterable[str],
    before_try: Callable[[], None] = lambda: None,
) -> None:
    """Raise the `QueryError` of a query that does not parse with any kind of values.

    declared   names of variables; other names are not references
    durations  the names whose values are durations
    before_try called before each parse; an exception ends the check

    Each placeholder is as long as its reference, so that positions of errors are valid in `text`.
    """
    known, always = set(declared), set(durations)
    found = [r for r in references(text) if r.name in known]
    free = sorted({r.name for r in found if not r.quote} - always)
    worst: QueryError | None = None
    for kinds in product(_KINDS, repeat=min(len(free), _MOST_FREE)):
        chosen = dict(zip(free, kinds, strict=False))
        before_try()
        try:
            parse(_with_placeholders(text, found, chosen, always))
        except QueryError as problem:
            if worst is None or problem.span > worst.span:
                worst = problem
        else:
            return
    if worst is not None and len(free) <= _MOST_FREE:
        raise worst


_KINDS = ("name", "number", "duration")
_MOST_FREE = 4
"""A query with more variables outside of quotes is checked only with its values."""


def _with_placeholders(
    text: str, found: Sequence[Reference], kinds: Mapping[str, str], durations: Container[str]
) -> str:
    out = list(text)
    for reference in found:
        start, end = reference.span.start, reference.span.end
        length = end - start
        kind = "duration" if reference.name in durations else kinds.get(reference.name, "name")
        harmless = "x" * length
        if not reference.quote and kind == "number":
            harmless = "1".rjust(length, "0")
        elif not reference.quote and kind == "duration":
            harmless = "1".rjust(length - 1, "0") + "s"
        out[start:end] = harmless
    return "".join(out)
