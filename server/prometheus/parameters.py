"""Parameters of Prometheus's API, from the query string or a form, with its error messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import partial, wraps
from itertools import chain
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from novaql import ArgumentError, Cancellation, duration_ms, to_ms
from novaql.fast_dataclass import dataclass
from novaql.rules import file_duration_ms
from novaql.server.errors import InvalidRequest, UnsupportedMedia
from novaql.server.http.bodies import off_the_loop
from novaql.server.http.body_reader import media_type, read_body
from novaql.server.http.data_route import Handler
from novaql.server.http.request import context_of
from novaql.server.prometheus.selectors import MatcherSets, matcher_sets
from novaql.server.query.answer_memory import Reserve, reserving
from novaql.server.query.run import run_in_worker
from novaql.server.tenants.store import Store
from novaql.text import parse_go_float
from novaql.tsdb import MAX_TIME_MS, MIN_TIME_MS

_DATE = re.compile(
    r"(?:\d{4}|-?\d{9})-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:\d\d)", re.ASCII
)
"""RFC 3339 as Go reads it; the years of nine digits are Prometheus's least and greatest time."""
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_MOST_DURATION_S = 2**63 / 1e9
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})

# JSON Schemas of parameters. An empty parameter equals a missing one.
WHOLE = {"pattern": "^([+-]?[0-9]+)?$"}
COUNT = {"pattern": r"^(\+?[0-9]+|-0+)?$"}
TRUTH = {"pattern": f"^({'|'.join(sorted(_TRUE | _FALSE))})?$"}


@dataclass(frozen=True, slots=True)
class Parameters:
    """All values of all parameters; those of a form precede those of the query string, as in Go.

    path  parameters of the path
    """

    values: dict[str, list[str]]
    path: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The first value; "" without one."""
        return self.values.get(name, [""])[0]

    def all(self, name: str) -> list[str]:
        return self.values.get(name, [])

    def time_ms(self, name: str, default_ms: int | None = None) -> int:
        """A time in milliseconds, from Unix seconds or RFC 3339."""
        text = self.text(name)
        if not text and default_ms is not None:
            return default_ms
        number = parse_go_float(text)
        if number is not None or _DATE.fullmatch(text):
            try:
                return to_ms(text.replace(",", ".") if number is None else number, argument=name)
            except ArgumentError:
                pass
        reason = f'cannot parse "{text}" to a valid timestamp'
        if default_ms is not None:  # Prometheus repeats the name of an optional time
            reason = f"Invalid time value for '{name}': {reason}"
        raise bad_parameter(name, reason)

    def duration_ms(self, name: str, default_ms: int | None = None) -> int:
        """A duration in milliseconds, from a text such as `5m`, or from seconds, also negative."""
        text = self.text(name)
        if not text and default_ms is not None:
            return default_ms
        reason = f'cannot parse "{text}" to a valid duration'
        number = parse_go_float(text)
        if number is not None and not abs(number) <= _MOST_DURATION_S:
            raise bad_parameter(name, f"{reason}. It overflows int64")
        try:
            if number is None:
                return file_duration_ms(text)
            length = duration_ms(abs(number), argument=name)
        except ValueError:
            raise bad_parameter(name, reason) from None
        return -length if number < 0 else length

    def count(self, name: str) -> int:
        """A limit; 0, the default: no limit."""
        text = self.text(name)
        if not text:
            return 0
        if not _WHOLE.fullmatch(text):
            raise bad_parameter(name, f'strconv.Atoi: parsing "{text}": invalid syntax')
        number = _int64(text)
        if number is None:
            raise bad_parameter(name, f'strconv.Atoi: parsing "{text}": value out of range')
        if number < 0:
            raise bad_parameter(name, f"{name} must be non-negative")
        return number

    def whole(self, name: str, default: int, refusal: str) -> int:
        """An integer. Raises `InvalidRequest` with the message `refusal` for anything else."""
        text = self.text(name)
        if not text:
            return default
        number = _int64(text) if _WHOLE.fullmatch(text) else None
        if number is None:
            raise InvalidRequest(refusal)
        return number

    def flag(self, name: str, what: str) -> bool:
        """A truth value; the default is false. The message of an error begins with `what`."""
        text = self.text(name)
        found = go_bool(text) if text else False
        if found is None:
            reason = f'strconv.ParseBool: parsing "{text}": invalid syntax'
            raise bad_parameter(name, f"{what}: {reason}")
        return found

    def range_ms(self) -> tuple[int, int]:
        """`start` and `end`; the default is all time."""
        return self.time_ms("start", MIN_TIME_MS), self.time_ms("end", MAX_TIME_MS)

    def matcher_sets(self) -> MatcherSets:
        """The selectors of `match[]`. Error messages have no prefix, as in Prometheus."""
        return matcher_sets(self.all("match[]"))

    def needed_matcher_sets(self) -> MatcherSets:
        """The selectors of `match[]`, at least one."""
        texts = self.all("match[]")
        if not texts:
            raise InvalidRequest("no match[] parameter provided")
        try:
            return matcher_sets(texts)
        except InvalidRequest as problem:
            raise bad_parameter("match[]", problem.message) from None


async def read_parameters(request: Request) -> Parameters:
    """Read the query string and, for POST and PUT, the form in the body."""
    encoded = [request.scope["query_string"]]
    if request.method in ("POST", "PUT"):
        kind = media_type(request)
        if kind not in ("application/x-www-form-urlencoded", ""):
            raise UnsupportedMedia(f"a form is taken here, not {kind}")
        limit = context_of(request).settings.max_body_bytes
        encoded.insert(0, await read_body(request, limit=limit))
    values = await off_the_loop(request, partial(_values, encoded), sum(map(len, encoded)))
    return Parameters(values, request.path_params)


def in_worker(work: Callable[[Store, Parameters], Response]) -> Handler:
    """An endpoint whose answer `work` creates from the tenant's store in a worker thread."""

    @wraps(work)
    async def handler(request: Request) -> Response:
        parameters = await read_parameters(request)
        store = context_of(request).store
        return await run_in_worker(request, lambda: work(store, parameters))

    return handler


def in_worker_reserving(
    purpose: str,
) -> Callable[[Callable[[Store, Parameters, Reserve], Response]], Handler]:
    """Like `in_worker`, for an answer that may be large: `work` also gets a function that reserves
    its memory.

    purpose  names the answer in errors
    """

    def decorate(work: Callable[[Store, Parameters, Reserve], Response]) -> Handler:
        @wraps(work)
        async def handler(request: Request) -> Response:
            parameters, context = await read_parameters(request), context_of(request)

            def run(cancellation: Cancellation) -> Response:
                with reserving(context, cancellation, purpose) as reserve:
                    return work(context.store, parameters, reserve)

            timeout_s = context.settings.query_timeout_s
            return await context.pools.queries.run(request, run, timeout_s=timeout_s)

        return handler

    return decorate


def bad_parameter(name: str, reason: str) -> InvalidRequest:
    """The error for an invalid parameter, with Prometheus's message."""
    return InvalidRequest(f'invalid parameter "{name}": {reason}')


def go_bool(text: str) -> bool | None:
    """Parse a truth value as Go's `strconv.ParseBool` does; None for anything else."""
    return True if text in _TRUE else False if text in _FALSE else None


def _values(encoded: Sequence[bytes]) -> dict[str, list[str]]:
    """Return all values of each parameter of some forms."""
    values: dict[str, list[str]] = {}
    for name, value in chain.from_iterable(map(_form, encoded)):
        values.setdefault(name, []).append(value)
    return values


def _form(encoded: bytes) -> list[tuple[str, str]]:
    try:
        text = encoded.decode("ascii")
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=10_000)
    except ValueError as problem:  # includes UnicodeDecodeError
        raise InvalidRequest(f"error parsing form values: {problem}") from None


def _int64(text: str) -> int | None:
    """Parse an integer of 64 bits; None for a larger one, also for more digits than `int` takes."""
    digits = text.lstrip("+-").lstrip("0")[:20] or "0"
    number = -int(digits) if text.startswith("-") else int(digits)
    return number if -(2**63) <= number < 2**63 else None
