"""The options of variables, the chosen values, and the values to interpolate in queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

import re2

from novaql import Result
from novaql.fast_dataclass import dataclass
from novaql.language import VectorSelector, parse
from novaql.server.dashboards.interpolation import (
    MOST_VALUES,
    BadValue,
    NoValue,
    Value,
    interpolated,
)
from novaql.server.dashboards.schema import VariableIn
from novaql.server.dashboards.variable_queries import VariableQuery, read_variable_query
from novaql.server.errors import Impossible, InvalidRequest, invalid
from novaql.server.query.syntax_tree import all_matchers
from novaql.server.tenants.store import Store
from novaql.text import number_text, series_text
from novaql.tsdb import Matcher

ALL = "$__all"
_MOST_CHARACTERS = 1_000_000
"""Of the options of a variable: labels may be long."""

Evaluate = Callable[[str], Result]


@dataclass(frozen=True, slots=True)
class Choice:
    """A variable, resolved for a request.

    options  the sorted options; `more`: the list is truncated
    chosen   the chosen values
    value    the value to interpolate
    """

    variable: VariableIn
    options: tuple[str, ...]
    more: bool
    chosen: tuple[str, ...]
    value: Value


@dataclass(frozen=True, slots=True)
class LookupContext:
    """The source of options: the tenant's store in a time range, and queries."""

    store: Store
    start_ms: int
    end_ms: int
    evaluate: Evaluate


def resolved(
    variables: Sequence[VariableIn],
    given: Mapping[str, Sequence[str]],
    built_in: Mapping[str, Value],
    lookup: LookupContext,
    *,
    wanted: frozenset[str] | None = None,
) -> list[Choice]:
    """Resolve the variables in their order: options and chosen values.

    given   values by name, from the request. Raises `InvalidRequest` for an unknown variable or a
            value that is not an option
    wanted  names of variables that need options; None means all
    """
    names = {variable.name for variable in variables}
    for name in given:
        if name not in names:
            known = ", ".join(sorted(names)) or "none"
            raise invalid(f"/var-{name}", f"there is no such variable; there are: {known}")
    values = dict(built_in)
    out: list[Choice] = []
    for variable in variables:
        choice = _choice(variable, given.get(variable.name, ()), values, lookup, wanted)
        values[variable.name] = choice.value
        out.append(choice)
    return out


def _choice(
    variable: VariableIn,
    given: Sequence[str],
    values: Mapping[str, Value],
    lookup: LookupContext,
    wanted: frozenset[str] | None,
) -> Choice:
    chosen = tuple(given) or tuple(variable.default)
    _check_given(variable, given)
    all_of_them = chosen == (ALL,) or (not chosen and variable.include_all)
    by_pattern = all_of_them and variable.all_value is not None
    options: tuple[str, ...] = ()
    more = False
    looked = wanted is None or (variable.name in wanted and (not chosen or all_of_them))
    if variable.type != "query":
        options = tuple(variable.values)
    elif looked and (wanted is None or not by_pattern):
        options, more = _options(variable, values, lookup)
    if by_pattern:
        assert variable.all_value is not None
        return Choice(variable, options, more, (ALL,), Value(options, variable.all_value))
    if all_of_them:
        if more:
            raise Impossible(
                f"variable {variable.name}: there are more than {MOST_VALUES} values or "
                f"{_MOST_CHARACTERS} characters; set all_value, a regex that matches all",
                code="too_many_values",
            )
        # Without options, use a pattern that matches nothing: an empty alternation would match "".
        return Choice(
            variable, options, more, (ALL,), Value(options, None if options else "[^\\s\\S]")
        )
    if not chosen:
        chosen = options[:1]
    return Choice(variable, options, more, chosen, Value(chosen))


def _check_given(variable: VariableIn, given: Sequence[str]) -> None:
    at = f"/var-{variable.name}"
    if len(given) > 1 and not variable.multi:
        raise invalid(at, "one value can be chosen")
    if ALL in given and not (variable.include_all and len(given) == 1):
        raise invalid(at, f"{ALL} cannot be chosen here")
    if variable.type != "query":
        for text in given:
            if text != ALL and text not in variable.values:
                raise invalid(at, f"{text[:60]!r} is none of {', '.join(variable.values)[:500]}")


def _options(
    variable: VariableIn, values: Mapping[str, Value], lookup: LookupContext
) -> tuple[tuple[str, ...], bool]:
    query = read_variable_query(variable.query or "")
    assert query is not None
    try:
        expr = interpolated(query.expr, values)
    except NoValue:
        return (), False
    except BadValue as problem:
        raise InvalidRequest(str(problem)) from None
    found = _looked_up(query, expr, lookup)
    if variable.regex:
        pattern = re2.compile(variable.regex)
        hits = (pattern.search(text) for text in found)
        found = [(h[1] if pattern.groups else h[0]) or "" for h in hits if h is not None]
    every = sorted({text for text in found if text})
    ends = accumulate(map(len, every[:MOST_VALUES]))
    shown = sum(end <= _MOST_CHARACTERS for end in ends)
    return tuple(every[:shown]), len(every) > shown


def _looked_up(query: VariableQuery, expr: str, lookup: LookupContext) -> list[str]:
    times = lookup.start_ms, lookup.end_ms
    match query.kind:
        case "label_values":
            return list(lookup.store.label_values(query.label, _sets(expr), *times))
        case "label_names":
            return list(lookup.store.label_names(_sets(expr), *times))
        case "metrics":
            pattern = re2.compile(query.label or ".*")
            names = lookup.store.label_values("__name__", [], *times)
            return [name for name in names if pattern.search(name)]
        case "query_result":
            return _result_texts(lookup.evaluate(expr))


def _sets(expr: str) -> list[list[Matcher]]:
    if not expr:
        return []
    tree = parse(expr, strict_promql=True)
    if not isinstance(tree, VectorSelector):
        raise InvalidRequest("label_values and label_names take a selector")
    return [all_matchers(tree)]


def _result_texts(result: Result) -> list[str]:
    """Results as text, `up{job="a"} 1`: Grafana's query_result applies its regex to this form."""
    points = result.points()
    starts, ends = points.offsets[:-1].tolist(), points.offsets[1:].tolist()
    labels = result.series.dicts()
    return [
        f"{series_text(labels[row])} {number_text(float(points.values[end - 1]))}"
        for row, (start, end) in enumerate(zip(starts, ends, strict=True))
        if end > start
    ]
