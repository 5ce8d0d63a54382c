"""A database of an InfluxDB 1 or 2, read by InfluxQL to be copied.

The series are those of line protocol (`inputs/text/influx.py`): `measurement_field`, with the tags
as labels. Truth values are 0 and 1; texts are left out, unless they are numbers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlencode

import numpy as np
import orjson

from novaql.errors import InputError
from novaql.inputs.http.client import HttpStatus, answer_to, without_credentials
from novaql.inputs.known_series import KnownSeries
from novaql.inputs.text.influx_line import NUMBER, number_in
from novaql.tsdb.model.labels import METRIC_NAME, Ints
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.samples import Batch, Floats
from novaql.tsdb.model.source import Metadata

TOKEN_VARIABLE = "INFLUX_TOKEN"  # noqa: S105 - the name of a variable
MOST_SAMPLES = 500_000
"""About how many samples a batch has."""

_PROBE_SECONDS, _SECONDS = 10.0, 120.0
_MOST_BYTES = 64 << 20
"""Limit of a part of an answer: some thousand rows."""
_ROWS, _FIELDS, _MEASUREMENTS = 5_000, 50, 50
"""Rows of a part of an answer, fields of a query, measurements of a request."""
_NS = 1_000_000
_MOST_MS = 2**63 // _NS - 1
_NUMBERS = ("float", "integer", "unsigned")
_Field = tuple[str, str]  # name and type
T = TypeVar("T")


class InfluxServer:
    """One database. Methods raise `InputError` if the server cannot be read.

    base          of the API, may have a user and a password
    names         parameters that name the database (`db`) and its retention policy (`rp`)
    headers       sent with each request, such as `Authorization`
    most_samples  about how many samples a batch has
    """

    def __init__(
        self,
        base: str,
        names: Mapping[str, str],
        headers: Mapping[str, str],
        *,
        most_samples: int = MOST_SAMPLES,
    ) -> None:
        self._base, self._names, self._headers = base, dict(names), dict(headers)
        self._most_samples = most_samples
        self._plain = without_credentials(base)[0]

    @property
    def url(self) -> str:
        """The address of the database, without a user and a password."""
        return f"{self._plain}?{urlencode(self._names)}" if self._names else self._plain

    def databases(self) -> list[str]:
        """The names of all databases."""
        return [name for part in self._answer(["SHOW DATABASES"]) for (name,) in part["values"]]

    def metadata(self) -> dict[str, Metadata]:
        """Nothing: InfluxDB has none."""
        return {}

    def oldest_ms(self, last_ms: int) -> int | None:
        """The time of the oldest row until a time."""
        return min(
            self._first_rows(self._fields([]), [], -_MOST_MS, last_ms).values(), default=None
        )

    def has_samples(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> bool:
        """Whether a range may have samples of series that match."""
        return bool(self._first_rows(self._fields(matchers), matchers, start_ms, end_ms))

    def batches(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Iterator[Batch]:
        """The samples of a range, some at a time; both ends are included."""
        fields = self._fields(matchers)
        where = _where(matchers, start_ms, end_ms)
        pieces = _Pieces(matchers)
        for measurement in self._first_rows(fields, matchers, start_ms, end_ms):
            for some in _portions(fields[measurement]):
                select = f"{_select(measurement, some)} {where}{_only_numbers(some)} GROUP BY *"
                for part in self._answer([select]):
                    pieces.add(part, some)
                    if pieces.samples >= self._most_samples:
                        yield pieces.batch()
        if pieces.samples:
            yield pieces.batch()

    def _fields(self, matchers: Sequence[Matcher]) -> dict[str, list[_Field]]:
        """The fields of each measurement whose metrics may match, once for each kind of value:
        the type of a field may change between shards, where a query converts numbers alone."""
        types: dict[str, dict[str, set[str]]] = {}
        for part in self._answer(["SHOW FIELD KEYS"]):
            for key, kind in part["values"]:
                types.setdefault(part["name"], {}).setdefault(key, set()).add(kind)
        by_name = [one for one in matchers if one.name == METRIC_NAME]
        found: dict[str, list[_Field]] = {}
        for measurement, keys in types.items():
            for key, kinds in keys.items():
                if all(one.matches(f"{measurement}_{key}") for one in by_name):
                    number = [kind for kind in _NUMBERS if kind in kinds][:1]
                    rest = sorted(kinds.difference(_NUMBERS))
                    found.setdefault(measurement, []).extend((key, kind) for kind in number + rest)
        return found

    def _first_rows(
        self,
        fields: Mapping[str, Sequence[_Field]],
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
    ) -> dict[str, int]:
        """The measurements with rows in a range, and the time of the first row of each."""
        where = _where(matchers, start_ms, end_ms)
        found = {}
        for some in _groups(list(fields.items()), _MEASUREMENTS):
            for part in self._answer([f"{_select(*one)} {where} LIMIT 1" for one in some]):
                found[part["name"]] = part["values"][0][0] // _NS
        return found

    def _answer(self, statements: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Parts of the tables that answer statements, in their order."""
        form = {**self._names, "epoch": "ns", "chunked": "true", "chunk_size": _ROWS}
        body = urlencode({**form, "q": ";".join(statements)}).encode()
        headers = {**self._headers, "Content-Type": "application/x-www-form-urlencoded"}
        missing = len(statements)
        try:
            with answer_to(
                f"{self._base}/query", timeout=_SECONDS, headers=headers, body=body
            ) as answer:
                while line := answer.readline(_MOST_BYTES + 1):
                    for result in self._results(line):
                        missing -= not result.get("partial", False)
                        yield from result.get("series", ())
        except HttpStatus as problem:
            if problem.status not in (401, 403):
                raise
            raise InputError(
                f"{problem}; the address may have a user and a password, as in "
                f"http://user:password@host:8086, and {TOKEN_VARIABLE} a token"
            ) from None
        if missing:
            raise InputError(f"{self.url}: the answer of InfluxDB ends too early")

    def _results(self, line: bytes) -> list[dict[str, Any]]:
        if len(line) > _MOST_BYTES:
            raise InputError(f"{self.url}: a part of the answer has more than {_MOST_BYTES} bytes")
        try:
            found = orjson.loads(line)
            results: list[dict[str, Any]] = found.get("results", [])
            errors = [one["error"] for one in [found, *results] if "error" in one]
        except (ValueError, AttributeError, TypeError):
            raise InputError(f"{self.url}: this is no answer of InfluxDB") from None
        if errors:
            raise InputError(f"{self.url}: InfluxDB answers: {errors[0]}")
        return results


class _Pieces:
    """Samples for the next batch: numbers of series, times and values."""

    def __init__(self, matchers: Sequence[Matcher]) -> None:
        self.samples = 0
        self._matchers = matchers
        self._known = KnownSeries()
        self._waiting: list[tuple[Ints, Ints, Floats]] = []

    def add(self, part: Mapping[str, Any], fields: Sequence[_Field]) -> None:
        """Add the rows of one set of tags; their columns are the time and the fields."""
        stamps, *columns = zip(*part["values"], strict=True)
        times = np.array(stamps, np.int64) // _NS
        tags = {name: value for name, value in part.get("tags", {}).items() if value}
        for (key, kind), column in zip(fields, columns, strict=True):
            labels = {**tags, METRIC_NAME: f"{part['name']}_{key}"}
            if not all(one.matches(labels.get(one.name, "")) for one in self._matchers):
                continue
            some = [_number(text) for text in column] if kind == "string" else column
            values = np.array(some, np.float64)  # None becomes NaN, which InfluxDB does not have
            there = ~np.isnan(values)
            if (found := int(there.sum())) > 0:
                row = np.full(found, self._known.number(labels))
                self._waiting.append((row, times[there], values[there]))
                self.samples += found

    def batch(self) -> Batch:
        """Return the collected samples, and begin an empty collection."""
        rows, times, values = (np.concatenate(one) for one in zip(*self._waiting, strict=True))
        table, index = self._known.table(rows)
        self._waiting.clear()
        self.samples = 0
        if self._known.is_full:
            self._known = KnownSeries()
        return Batch(table, index, times, values)


def influx_at(url: str, *, token: str | None = None) -> InfluxServer | None:
    """The database of an InfluxDB at an address; None if something else answers there.

    url    such as http://host:8086?db=metrics, also with rp=, a user and a password
    token  of InfluxDB 2; None: that of `INFLUX_TOKEN`

    Raises `InputError`, with the names of the databases if the address has none, and if an address
    with a database cannot be reached.
    """
    base, _, query = url.partition("?")
    base, names = base.rstrip("/"), dict(parse_qsl(query))
    plain, own = without_credentials(base)
    try:
        with answer_to(f"{base}/ping", timeout=_PROBE_SECONDS) as answer:
            if "X-Influxdb-Version" not in answer.headers:
                return None
    except InputError as problem:
        if "db" in names and not isinstance(problem, HttpStatus):
            raise  # it names no parameters, which may have a password
        return None
    secret = token or os.environ.get(TOKEN_VARIABLE)
    headers = {"Authorization": f"Token {secret}"} if secret and not own else {}
    for name in sorted(names.keys() - {"db", "rp"}):
        raise InputError(
            f"{plain}: the address of a database of InfluxDB has the parameters db and rp, not "
            f"{name}; a user and a password are written http://user:password@host:8086"
        )
    if "db" in names:
        return InfluxServer(base, names, headers)
    databases = InfluxServer(base, {}, headers).databases()
    first = next((name for name in databases if name != "_internal"), "NAME")
    raise InputError(
        f"{plain}: this InfluxDB has the databases {', '.join(databases) or '(none)'}: name one, "
        f"as in '{plain}?db={quote(first)}' (its own metrics are at {plain}/metrics)"
    )


def _portions(fields: Sequence[_Field]) -> Iterator[Sequence[_Field]]:
    """The fields of each query: texts one by one, because a query reads only the numbers among
    them."""
    yield from _groups([field for field in fields if field[1] != "string"], _FIELDS)
    yield from ([field] for field in fields if field[1] == "string")


def _only_numbers(fields: Sequence[_Field]) -> str:
    """A condition for a portion of texts."""
    texts = (_quoted(key) for key, kind in fields if kind == "string")
    return "".join(f" AND {text}::string =~ /^{NUMBER}$/" for text in texts)


def _select(measurement: str, fields: Sequence[_Field]) -> str:
    columns = ", ".join(f"{_quoted(key)}::{kind}" for key, kind in fields)
    return f"SELECT {columns} FROM {_quoted(measurement)}"  # noqa: S608 - names are quoted


def _where(matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> str:
    """The condition for a range, and for tags that must have one value."""
    first, last = max(start_ms, -_MOST_MS), min(end_ms, _MOST_MS - 1)
    parts = [f"time >= {first * _NS} AND time < {(last + 1) * _NS}"]
    parts += [
        f"{_quoted(one.name)}::tag = {_quoted(one.value, chr(39))}"
        for one in matchers
        if one.op is MatchOp.EQUAL and one.value and one.name != METRIC_NAME
    ]
    return f"WHERE {' AND '.join(parts)}"


def _quoted(text: str, mark: str = '"') -> str:
    """A name, or with an apostrophe a text, of InfluxQL."""
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n").replace(mark, f"\\{mark}")
    return f"{mark}{escaped}{mark}"


def _groups(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[at : at + size] for at in range(0, len(items), size))


def _number(text: str | None) -> float | None:
    return None if text is None else number_in(text.encode())
