"""Parameters of Prometheus's API, from the query string or a form, with its error texts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request

from novaql.errors import ArgumentError, QueryError
from novaql.language import parse
from novaql.language.ast import VectorSelector
from novaql.timeparse import duration_ms, to_ms
from server.platform.bodies import media_type, read_body
from server.platform.errors import InvalidRequest, UnsupportedMedia
from tsdb.labels import METRIC_NAME
from tsdb.matchers import Matcher, MatchOp
from tsdb.selection import MAX_TIME_MS, MIN_TIME_MS

_DATE = re.compile(r"-?\d{4,}-\d\d-\d\d[Tt]")


@dataclass(frozen=True, slots=True)
class Parameters:
    """All values of all parameters; a form's stand before the query string's, as in Go."""

    values: dict[str, list[str]]

    def text(self, name: str) -> str:
        """The first value, "" if there is none."""
        return self.values.get(name, [""])[0]

    def all(self, name: str) -> list[str]:
        return self.values.get(name, [])

    def time_ms(self, name: str, default_ms: int | None = None) -> int:
        """A time: Unix seconds or RFC 3339."""
        text = self.text(name)
        if not text and default_ms is not None:
            return default_ms
        if _is_number(text) or _DATE.match(text):
            try:
                return to_ms(text, argument=name)
            except ArgumentError:
                pass
        reason = f'cannot parse "{text}" to a valid timestamp'
        if default_ms is not None:  # Prometheus says it twice where a time may be left out
            reason = f"Invalid time value for '{name}': {reason}"
        raise bad_parameter(name, reason)

    def duration_ms(self, name: str, default_ms: int | None = None) -> int:
        """A duration like `5m`, or seconds; never negative."""
        text = self.text(name)
        if not text and default_ms is not None:
            return default_ms
        try:
            return duration_ms(text, argument=name)
        except ArgumentError:
            raise bad_parameter(name, f'cannot parse "{text}" to a valid duration') from None

    def count(self, name: str) -> int:
        """A limit; 0, the default, is none."""
        text = self.text(name)
        if not text:
            return 0
        try:
            number = int(text)
        except ValueError:
            raise bad_parameter(name, f'cannot parse "{text}" to a valid limit') from None
        if number < 0:
            raise bad_parameter(name, f"{name} must be non-negative")
        return number

    def range_ms(self) -> tuple[int, int]:
        """`start` and `end`, by default all of time."""
        start_ms = self.time_ms("start", MIN_TIME_MS)
        end_ms = self.time_ms("end", MAX_TIME_MS)
        return start_ms, end_ms

    def matcher_sets(self, *, needed: bool = False) -> list[list[Matcher]]:
        """`match[]`, each a selector."""
        texts = self.all("match[]")
        if needed and not texts:
            raise InvalidRequest("no match[] parameter provided")
        return [_matchers(text) for text in texts]


async def read_parameters(request: Request, *, limit: int) -> Parameters:
    """Query string and, for POST, the form in the body."""
    pairs: list[tuple[str, str]] = []
    if request.method == "POST":
        kind = media_type(request)
        if kind not in ("application/x-www-form-urlencoded", ""):
            raise UnsupportedMedia(f"a form is taken here, not {kind}")
        body = await read_body(request, limit=limit)
        pairs += _form(body)
    pairs += _form(request.scope["query_string"])
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return Parameters(values)


def bad_parameter(name: str, reason: str) -> InvalidRequest:
    """Prometheus's sentence for a parameter that is wrong."""
    return InvalidRequest(f'invalid parameter "{name}": {reason}')


def _form(encoded: bytes) -> list[tuple[str, str]]:
    try:
        text = encoded.decode("ascii")
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=10_000)
    except ValueError as problem:  # UnicodeDecodeError is one
        raise InvalidRequest(f"error parsing form values: {problem}") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()


def _matchers(text: str) -> list[Matcher]:
    try:
        expr = parse(text)
    except QueryError as problem:
        place = f"{problem.line}:{problem.column}: parse error: {problem.sentence}"
        raise bad_parameter("match[]", place) from None
    if not isinstance(expr, VectorSelector):
        raise bad_parameter("match[]", f"1:1: parse error: {text!r} is no series selector")
    named = [] if expr.name is None else [Matcher(METRIC_NAME, MatchOp.EQUAL, expr.name)]
    return [*named, *expr.matchers]
