"""Queries of variables of type `query`, in Grafana's notation."""

from __future__ import annotations

import re
from typing import Literal

import re2

from novaql.fast_dataclass import dataclass

_CALL = re.compile(
    r"\s*(label_values|label_names|metrics|query_result)\s*\((.*)\)\s*", re.DOTALL | re.ASCII
)
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class VariableQuery:
    """A query of a variable.

    kind   values of a label, names of labels, names of metrics, or results of a query
    expr   a selector or a query; "" for all series
    label  the label; for `metrics`, the regex of their names
    """

    kind: Literal["label_values", "label_names", "metrics", "query_result"]
    expr: str
    label: str = ""


def read_variable_query(text: str) -> VariableQuery | None:
    """Parse a query; None if the text is not one."""
    found = _CALL.fullmatch(text)
    if found is None:
        return None
    inside = found[2].strip()
    match found[1]:
        case "label_values":
            expr, _, label = inside.rpartition(",")
            if not _LABEL.fullmatch(label.strip()) or (not expr.strip() and "," in inside):
                return None
            return VariableQuery("label_values", expr.strip(), label.strip())
        case "label_names":
            return VariableQuery("label_names", inside)
        case "metrics":
            regex = inside.strip("\"'")
            return VariableQuery("metrics", "", regex) if _is_regex(regex) else None
        case _:
            return VariableQuery("query_result", inside) if inside else None


def _is_regex(text: str) -> bool:
    try:
        re2.compile(text)
    except re2.error:
        return False
    return True
