"""Functions over ranges that are other names of functions, or several functions at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from novaql.errors import TypeProblem
from novaql.language.fault import brief
from novaql.language.signatures import FUNCTIONS
from novaql.language.value_types import ValueType
from novaql.planner.logical import (
    BinaryOp,
    Constant,
    FunctionCall,
    Plan,
    SubqueryWindow,
    TextConstant,
    Window,
)
from novaql.text.go_text import go_number

SAME = {
    "changes_prometheus": "changes",
    "holt_winters": "double_exponential_smoothing",
    "tfirst_over_time": "ts_of_first_over_time",
    "tlast_over_time": "ts_of_last_over_time",
    "tmax_over_time": "ts_of_max_over_time",
    "tmin_over_time": "ts_of_min_over_time",
}
"""Names of MetricsQL → the names here."""

PER_SECOND = {"rate_over_sum": "sum_over_time", "rate_prometheus": "increase_prometheus"}
"""Functions that are others per second of the range's length."""

ANCHORED = frozenset({"increase_pure", "integrate"})
"""Functions that use the last sample before the range."""

LABELLED = "rollup"
"""The label that distinguishes the series of one function."""

_EXTREMES = ("min", "max", "avg")

SERIES = {
    "rollup": _EXTREMES,
    "rollup_candlestick": ("open", "close", "low", "high"),
    "rollup_delta": _EXTREMES,
    "rollup_deriv": _EXTREMES,
    "rollup_increase": _EXTREMES,
    "rollup_rate": _EXTREMES,
    "rollup_scrape_interval": _EXTREMES,
}
"""Functions that return several series for each one: the names of these. The function of one of
them is named, for example, `rollup_rate:min`, which the text of a query cannot contain."""

NOT_EACH = frozenset({"absent_over_time", "histogram_over_time"})
"""Functions of a range vector that do not return one series for each."""

UNIONS = frozenset(SERIES) | {"quantiles_over_time", "aggr_over_time"}
"""Calls that are unions of others in a plan: see `_union`."""


def rollup_call(call: FunctionCall, text: str) -> Plan:
    """Return the call as it is evaluated. Raises `TypeProblem` for names that do not exist.

    text  of the query, for messages
    """
    name, arguments = call.function, call.arguments
    if name in SAME:
        return replace(call, function=SAME[name])
    if name in PER_SECOND:
        seconds = Constant(_range_ms(arguments[0]) / 1000.0, span=call.span)
        return BinaryOp("/", replace(call, function=PER_SECOND[name]), seconds, span=call.span)
    if name in ANCHORED:
        return replace(call, arguments=(_anchored(arguments[0]),))
    if name == "default_rollup" and isinstance(arguments[0], SubqueryWindow):
        return replace(call, function="last_over_time")
    if name == "quantiles_over_time":
        label, *quantiles, window = arguments
        parts = [(_level(q), _one(call, name + ":", q, window)) for q in quantiles]
        return _union(call, label, parts)
    if name == "aggr_over_time":
        *names, window = arguments
        label = TextConstant(LABELLED, span=call.span)
        return _union(call, label, [(n, _named(call, n, window, text)) for n in names])
    if name == "error_budget_remaining":
        good, total, objective = arguments
        increases = (_one(call, "increase_prometheus", window) for window in (good, total))
        return replace(call, arguments=(*increases, objective))
    if name in SERIES:
        return _several(call, text)
    return call


def _several(call: FunctionCall, text: str) -> Plan:
    """One series, if the second argument names it, or all of them."""
    name, (window, *chosen) = call.function, call.arguments
    if chosen:
        series = _text(chosen[0])
        if series not in SERIES[name]:
            raise TypeProblem(
                f'{name}() has no series "{brief(series)}": it has {", ".join(SERIES[name])}',
                text,
                chosen[0].span,
            )
        return _one(call, f"{name}:{series}", window)
    label = TextConstant(LABELLED, span=call.span)
    return _union(
        call,
        label,
        [
            (TextConstant(one, span=call.span), _one(call, f"{name}:{one}", window))
            for one in SERIES[name]
        ],
    )


def _union(call: FunctionCall, label: Plan, parts: Sequence[tuple[Plan, Plan]]) -> Plan:
    """Several vectors, one after another: the label, then for each its value and the vector."""
    return replace(call, arguments=(label, *(plan for part in parts for plan in part)))


def _one(call: FunctionCall, function: str, *arguments: Plan) -> FunctionCall:
    return FunctionCall(function, arguments, ValueType.VECTOR, span=call.span)


def _named(call: FunctionCall, name: Plan, window: Plan, text: str) -> Plan:
    """The function that a text of `aggr_over_time` names."""
    function = _text(name)
    signature = FUNCTIONS.get(function)
    alone = signature is not None and signature.arguments == (ValueType.MATRIX,)
    if not alone or function in NOT_EACH:
        raise TypeProblem(
            f'aggr_over_time(): "{brief(function)}" is no function of each series of a range '
            "vector alone",
            text,
            name.span,
        )
    return rollup_call(_one(call, function, window), text)


def _level(quantile: Plan) -> Plan:
    """The value of a quantile's label: the text of a constant, or else the expression."""
    if isinstance(quantile, Constant):
        return TextConstant(go_number(quantile.value), span=quantile.span)
    return quantile


def _text(plan: Plan) -> str:
    assert isinstance(plan, TextConstant)
    return plan.value


def _range_ms(window: Plan) -> int:
    assert isinstance(window, Window | SubqueryWindow)
    return window.range_ms


def _anchored(window: Plan) -> Plan:
    """The range of a selector with the sample before it."""
    if not isinstance(window, Window):
        return window
    return replace(window, select=replace(window.select, anchored=True))
