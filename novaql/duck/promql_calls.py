"""`FROM promql('…', start := …)`: calls in a statement of SQL, and their results as tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from decimal import Decimal
from typing import Any

import duckdb

from novaql.duck.places import table_places
from novaql.duck.problems import SqlProblem
from novaql.duck.tokens import PARAMETER, Token, sql_of
from novaql.errors import ArgumentError
from novaql.fast_dataclass import dataclass
from novaql.language.check import did_you_mean
from novaql.result import Result

FUNCTION = "promql"
ARGUMENTS = ("time", "start", "end", "step", "lookback", "rollup")
_OPEN, _CLOSED = "([{", ")]}"


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    tokens      of the call
    arguments   name → tokens of its value; "": the query
    aliased     whether the statement names the table
    lateral     whether it is behind LATERAL
    """

    tokens: Sequence[Token]
    arguments: Mapping[str, Sequence[Token]]
    aliased: bool
    lateral: bool

    @property
    def text(self) -> str:
        """The call itself, without comments."""
        return sql_of(self.tokens)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A statement whose calls are names of tables.

    text    the statement
    params  bound parameters that are left in it, as DuckDB takes them
    tables  name → result of a call
    """

    text: str
    params: Any
    tables: dict[str, Result] = field(default_factory=dict)


def calls_of(tokens: Sequence[Token]) -> list[Call]:
    """The calls in the place of a table. Raises `SqlProblem` for arguments that are wrong."""
    calls: list[Call] = []
    end = 0
    for at in table_places(tokens):
        name, before = (tokens[at].name or "").lower(), tokens[at - 1].text.upper()
        if name != FUNCTION or [token.text for token in tokens[at + 1 : at + 2]] != ["("]:
            continue
        parts = _parts(tokens, at + 2)
        if at < end or parts is None:  # DuckDB reports a missing parenthesis
            continue
        end = at + 2 + sum(len(part) + 1 for part in parts)
        behind = tokens[end] if end < len(tokens) else None
        aliased = behind is not None and (
            behind.kind == "identifier" or behind.text.upper() == "AS"
        )
        calls.append(Call(tokens[at:end], _arguments(parts), aliased, before == "LATERAL"))
    return calls


def rewritten(
    statement: str,
    tokens: Sequence[Token],
    calls: Sequence[Call],
    params: Sequence[Any] | Mapping[str, Any] | None,
    result_of: Callable[..., Result],
    connection: duckdb.DuckDBPyConnection,
) -> Rewritten:
    """Evaluate the calls of a statement, and put names of tables in their place.

    params     the bound parameters: in order, or by name
    result_of  evaluates a query: a text, and times as in `query`

    Raises `SqlProblem` for wrong values, and the errors that `query` raises for a query.
    """
    if not calls:
        return Rewritten(statement, params)
    given = params.items() if isinstance(params, Mapping) else enumerate(params or (), 1)
    bound = {str(name).lower(): value for name, value in given}
    inside = {token for call in calls for token in call.tokens}
    places = [(t.start, t.end, t.text) for t in tokens if t.kind == PARAMETER and t not in inside]
    used = {text[1:].lower() for _, _, text in places}
    tables: dict[str, Result] = {}
    names: dict[str, str] = {}
    taken: set[str] = set()
    for call in calls:
        mine = {t.text[1:].lower() for t in call.tokens if t.kind == PARAMETER}
        taken |= mine
        if call.text not in names:
            values = _values(call, {n: v for n, v in bound.items() if n in mine}, connection)
            # For DuckDB, names that differ in case only are equal; those of queries may be two.
            alike = sum(name.lower() == call.text.lower() for name in names)
            names[call.text] = call.text + f" -- {alike + 1}" * bool(alike)
            tables[names[call.text]] = _result(values, result_of)
        name = '"' + names[call.text].replace('"', '""') + '"'
        name = f"(FROM {name})" if call.lateral else name
        alias = "" if call.aliased else f" AS {FUNCTION}"
        places.append((call.tokens[0].start, call.tokens[-1].end, name + alias))
    whole = statement.encode()
    for start, end, text in sorted(places, reverse=True):
        whole = whole[:start] + text.encode() + whole[end:]
    left = {name: value for name, value in bound.items() if name in used or name not in taken}
    return Rewritten(whole.decode(), left or None, tables)


def _parts(tokens: Sequence[Token], at: int) -> list[list[Token]] | None:
    """Tokens between commas, up to the closing parenthesis; None: there is none."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens[at:]:
        if token.text == ")" and depth == 0:
            return parts
        if token.text == "," and depth == 0:
            parts.append([])
            continue
        depth += (token.text in _OPEN) - (token.text in _CLOSED)
        parts[-1].append(token)
    return None


def _arguments(parts: list[list[Token]]) -> dict[str, Sequence[Token]]:
    found: dict[str, Sequence[Token]] = {}
    for part in parts:
        name = ""
        if len(part) > 2 and part[1].text in (":=", "=>"):
            name = (part[0].name or "").lower()
            part = part[2:]
            if name not in ARGUMENTS:
                close = did_you_mean(name, ARGUMENTS) or f"it has {', '.join(ARGUMENTS)}"
                raise SqlProblem(f"{FUNCTION}: there is no argument {name}; {close}")
        if name in found:
            what = f"{name} is given twice" if name else "one query, then named arguments"
            raise SqlProblem(f"{FUNCTION}: {what}, as in {FUNCTION}('up', time := now())")
        found[name] = part
    if not found.get(""):
        raise SqlProblem(f"{FUNCTION}: there is no query, as in {FUNCTION}('up')")
    return found


def _values(
    call: Call, params: dict[str, Any], connection: duckdb.DuckDBPyConnection
) -> dict[str, Any]:
    """Name → value of the arguments, which DuckDB computes."""
    wanted = ", ".join(sql_of(part) for part in call.arguments.values())
    try:
        # Not by `execute`, which discards an unfinished answer of the caller.
        (row,) = connection.sql(f"SELECT {wanted}", params=params or None).fetchall()
    except duckdb.BinderException as problem:
        raise SqlProblem(
            f"{FUNCTION}: arguments are constants or bound parameters: {problem}"
        ) from None
    except duckdb.Error as problem:
        raise SqlProblem(f"{FUNCTION}: {problem}") from None
    values = dict(zip(call.arguments, row, strict=True))
    return {n: float(v) if isinstance(v, Decimal) else v for n, v in values.items()}


def _result(values: dict[str, Any], result_of: Callable[..., Result]) -> Result:
    text = values.pop("")
    if not isinstance(text, str):
        raise SqlProblem(f"{FUNCTION}: the query is a text, not {type(text).__name__}")
    try:
        return result_of(text, **{n: value for n, value in values.items() if value is not None})
    except ArgumentError as problem:
        raise SqlProblem(f"{FUNCTION}: {problem}") from None
