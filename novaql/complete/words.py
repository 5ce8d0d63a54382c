"""Words of the language other than functions, and texts that functions accept."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones

from novaql.language import FUNCTIONS, ValueType
from novaql.language.signatures.parameters import parameters_of

DURATIONS = ("1m", "5m", "10m", "30m", "1h", "6h", "1d", "7d")
KEYWORDS = {
    "and": "elements that have a match on the right",
    "or": "all of the left, and of the right what has no match",
    "unless": "elements that have no match on the right",
    "default": "the left, its gaps filled from the right",
    "if": "the left where the right has a value",
    "ifnot": "the left where the right has no value",
    "atan2": "angle of the two values, in radians",
    "|>": "pass this to a function or an aggregation",
    "offset": "look so far back",
    "@": "as of this time",
    "by": "retain these labels in an aggregation",
    "without": "drop these labels in an aggregation",
    "limit": "at most so many series",
    "keep_metric_names": "do not remove the metric's name",
    "anchored": "the range begins with the sample before it",
    "smoothed": "the range begins and ends with interpolated samples",
    "in": "the query in which the names are used",
    "let": "name a part of the query: let name = … in …",
    "with": "name parts of the query: with (name = …) …",
    "bool": "return 0 or 1 instead of filtering",
    "on": "match by these labels only; on (left=right) if their names differ",
    "ignoring": "match by all labels but these",
    "group_left": "many elements on the left match one on the right",
    "group_right": "many elements on the right match one on the left",
    "prefix": "what the names of copied labels begin with",
    "fill": "the value of a missing partner",
    "fill_left": "the value of a missing partner on the left",
    "fill_right": "the value of a missing partner on the right",
}
MOMENTS = {"start()": "the first step of the query", "end()": "the last step of the query"}
LABELS = frozenset({"label", "from", "to", "other", "bounds"})
"""Names of parameters that are names of labels."""


def parameter_at(function: str, argument: int) -> str:
    """Return the name of a parameter that is a text; "": it is none."""
    row = FUNCTIONS.get(function.lower())
    parameters = () if row is None else parameters_of(row)
    if not parameters:
        return ""
    found = parameters[min(argument, len(parameters) - 1)]
    if row is not None and row.repeated is not None and argument >= row.repeated:
        found = parameters[row.repeated]
    return found.name if found.type is ValueType.STRING else ""


def texts_for(function: str, parameter: str) -> list[str]:
    """Return the texts that a parameter may have, sorted; none if they are not known."""
    if parameter == "zone":
        return zones()
    if parameter == "unit":
        return ["day", "hour", "minute", "month", "quarter", "week", "year"]
    if parameter == "which":
        if function == "rollup_candlestick":
            return ["close", "high", "low", "open"]
        return ["avg", "max", "min"]
    if parameter == "function":
        rows = FUNCTIONS.values()
        return sorted(row.name for row in rows if row.arguments == (ValueType.MATRIX,))
    return []


@cache
def zones() -> list[str]:
    return sorted(available_timezones())
