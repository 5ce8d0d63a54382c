"""The functions that Prometheus adds to templates."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote_plus, urlsplit

import re2

from novaql.model.float_histogram import FloatHistogram
from novaql.rules.durations import file_duration_ms
from novaql.rules.templates.builtins import BUILTINS, SHORT_CIRCUIT
from novaql.rules.templates.humanize import (
    humanize,
    humanize1024,
    humanize_duration,
    humanize_percentage,
    humanize_timestamp,
    timestamp_ms,
)
from novaql.rules.templates.problems import MOST_CHARACTERS, TemplateFailure, cut
from novaql.rules.templates.values import LabelMap, Record, Seconds, Time, go_type, sample
from novaql.rules.templates.work import TemplateWork
from novaql.text.go_text import template_parts
from novaql.text.unicode import valid_text
from novaql.tsdb.model.matchers import MOST_COPIES, need_few_groups

Query = Callable[[str], Iterable[tuple[dict[str, str], float | FloatHistogram]]]
"""Evaluates a query at the time of the template: labels and value of each element."""

MOST_STATES = 1 << 23
"""Characters × states of a regular expression that one search may visit: a third of a second."""

_HOST_PORT = re.compile(r"(?:\[([^\[\]]*)\]|([^:\[\]]*)):([^:]*)")
_MATCH_WORK = 1 << 10
"""Bytes that a replaced match counts for, by the time that it takes."""

_PART_WORK = 1 << 8
"""Bytes that a text or a group of a replacement counts for in each match."""

_ELEMENT_WORK = 1 << 10
"""Bytes that an element of a query's result counts for."""

_MAX_SECONDS = (2**63 - 1) / 1e9


def number(value: Any) -> float:
    """A number, or a text that is one. Raises `TemplateFailure`."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, Seconds):
        return value.seconds
    if isinstance(value, str):
        try:
            return float(value.replace("_", "x"))
        except ValueError:
            raise TemplateFailure(f"{cut(value)!r} is no number") from None
    raise TemplateFailure(f"{go_type(value)} is no number")


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise TemplateFailure(f"a text is needed, not {go_type(value)}")
    return value


def _unicode(value: Any) -> str:
    """A text for a search: bytes that are no UTF-8 are U+FFFD, as in Go."""
    return valid_text(text(value))


def _escaped(value: Any) -> str:
    return quote_plus(text(value), errors="surrogateescape")


def _samples(value: Any) -> list[Record]:
    if not isinstance(value, list):
        raise TemplateFailure(f"the result of a query is needed, not {go_type(value)}")
    return value


def _field(value: Any, name: str) -> Any:
    if not isinstance(value, Record) or name not in value.fields:
        raise TemplateFailure(f"an element of a query is needed, not {go_type(value)}")
    return value.fields[name]


def _first(value: Any) -> Record:
    found = _samples(value)
    if not found:
        raise TemplateFailure("first() called on vector with no elements")
    return found[0]


def _label(name: Any, element: Any) -> str:
    labels: LabelMap = _field(element, "Labels")
    return labels.get(text(name), "")


def _sort_by_label(name: Any, elements: Any) -> list[Record]:
    return sorted(_samples(elements), key=lambda element: _label(name, element).encode())


def _regex(pattern: Any, work: TemplateWork) -> Any:
    work.look()  # a short text can take as long as a search may
    options = re2.Options()
    options.log_errors = False
    try:
        return need_few_groups(re2.compile(_unicode(pattern), options))
    except re2.error as problem:
        shown = f"{cut(pattern)!r} is wrong: {cut(str(problem))}"
        raise TemplateFailure(f"the regular expression {shown}") from None


def _check_regex(compiled: Any, subject: str) -> None:
    """At its worst a search visits each state of the pattern at each character, and it cannot be
    interrupted. Raises `TemplateFailure`."""
    states = compiled.programsize * len(subject)
    if states > MOST_STATES or states * compiled.groups > MOST_COPIES:
        raise TemplateFailure("the regular expression and the text are too long together")


def _match(pattern: Any, value: Any, work: TemplateWork) -> bool:
    compiled, subject = _regex(pattern, work), _unicode(value)
    _check_regex(compiled, subject)
    return compiled.search(subject) is not None


def _replace_all(pattern: Any, replacement: Any, value: Any, work: TemplateWork) -> str:
    compiled, subject = _regex(pattern, work), _unicode(value)
    _check_regex(compiled, subject)
    parts = template_parts(_unicode(replacement), compiled.groups, compiled.groupindex)
    last_end = 0
    size = 0

    def filled(hit: Any) -> str:
        nonlocal last_end, size
        work.charge(_MATCH_WORK + _PART_WORK * len(parts))
        start, end = hit.span()
        touches, last_end = start == end == last_end and start > 0, end
        if touches:  # an empty match directly after another one is not replaced
            return ""
        pieces: list[str] = []
        for part in parts:
            piece: str = part if isinstance(part, str) else hit.group(part) or ""
            size += len(piece)
            if size > MOST_CHARACTERS:
                most = f"{MOST_CHARACTERS} characters"
                raise TemplateFailure(f"reReplaceAll returns more than {most}")
            pieces.append(piece)
        return "".join(pieces)

    replaced: str = compiled.sub(filled, subject)
    return replaced


def _title(value: Any) -> str:
    """The first letter of each word in upper case."""
    return re.sub(r"(?<![\w])\w", lambda hit: _upper(hit[0]), text(value))


def _cased(whole: str, changed: Callable[[str], str]) -> str:
    if whole.isascii():
        return changed(whole)
    return "".join(_one(character, changed(character)) for character in whole)


def _upper(character: str) -> str:
    return _one(character, character.upper())


def _one(character: str, changed: str) -> str:
    """Go changes case letter by letter: ß has no capital of one letter, and does not change."""
    return changed if len(changed) == 1 else character


def _strip_port(value: Any) -> str:
    found = _HOST_PORT.fullmatch(text(value))
    return value if found is None else found[1] or found[2] or ""


def _strip_domain(value: Any) -> str:
    found = _HOST_PORT.fullmatch(text(value))
    host = value if found is None else found[1] or found[2] or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        short = host.split(".")[0]
        return short if found is None else f"{short}:{found[3]}"
    return str(value)


def _parse_duration(value: Any) -> float:
    try:
        return file_duration_ms(text(value)) / 1000
    except ValueError as problem:
        raise TemplateFailure(f"parseDuration: {problem}") from None


def _to_duration(value: Any) -> Seconds:
    seconds = number(value)
    if not abs(seconds) <= _MAX_SECONDS:
        raise TemplateFailure("toDuration: longer than 292 years")
    return Seconds(seconds)


def _link(tab: int) -> Callable[[Any], str]:
    return lambda expr: f"/graph?g0.expr={_escaped(expr)}&g0.tab={tab}"


_FIXED: dict[str, Callable[..., Any]] = {
    **BUILTINS,
    "first": _first,
    "label": _label,
    "value": lambda element: _field(element, "Value"),
    "strvalue": lambda element: _label("__value__", element),
    "sortByLabel": _sort_by_label,
    "args": lambda *values: {f"arg{i}": value for i, value in enumerate(values)},
    "safeHtml": text,
    "title": _title,
    "toUpper": lambda value: _cased(text(value), str.upper),
    "toLower": lambda value: _cased(text(value), str.lower),
    "graphLink": _link(0),
    "tableLink": _link(1),
    "stripPort": _strip_port,
    "stripDomain": _strip_domain,
    "humanize": lambda value: humanize(number(value)),
    "humanize1024": lambda value: humanize1024(number(value)),
    "humanizeDuration": lambda value: humanize_duration(number(value)),
    "humanizePercentage": lambda value: humanize_percentage(number(value)),
    "humanizeTimestamp": lambda value: humanize_timestamp(number(value)),
    "toTime": lambda value: Time(timestamp_ms(number(value))),
    "toDuration": _to_duration,
    "parseDuration": _parse_duration,
    "urlQueryEscape": _escaped,
}

FUNCTION_NAMES = frozenset(
    [
        *_FIXED,
        *SHORT_CIRCUIT,
        "call",
        "match",
        "query",
        "reReplaceAll",
        "now",
        "pathPrefix",
        "externalURL",
    ]
)
"""Every function that a template may name."""


def functions_for(
    query: Query, time_ms: int, external_url: str, work: TemplateWork
) -> dict[str, Callable[..., Any]]:
    """The functions of one expansion, except `and` and `or`, which `run.py` evaluates."""

    def run(expr: Any) -> list[Record]:
        work.look()
        found = []
        for labels, value in query(text(expr)):
            work.charge(_ELEMENT_WORK + sum(map(len, labels.values())))
            found.append(sample(labels, value))
        return found

    def no_call(*_: Any) -> Any:
        raise TemplateFailure("call: there are no functions as values here")

    return {
        **_FIXED,
        "call": no_call,
        "query": run,
        "match": lambda pattern, subject: _match(pattern, subject, work),
        "reReplaceAll": lambda pattern, replacement, subject: _replace_all(
            pattern, replacement, subject, work
        ),
        "now": lambda: time_ms / 1000,
        "externalURL": lambda: external_url,
        "pathPrefix": lambda: urlsplit(external_url).path,
    }
