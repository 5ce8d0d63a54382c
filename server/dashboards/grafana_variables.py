"""Variables of a Grafana dashboard."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import re2

from novaql.server.dashboards.grafana_sources import foreign
from novaql.server.dashboards.interpolation import references
from novaql.server.dashboards.variable_queries import read_variable_query

Add = Callable[[str, Literal["dropped", "changed"], str], None]
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,63}", re.ASCII)
_INTERVAL = re.compile(r"(?:\d{1,9}(?:ms|[smhdwy]))+", re.ASCII)
_COMMA = re.compile(r"(?<!\\),")


def read_variable(
    variable: Mapping[str, Any], at: str, add: Add, before: Sequence[str]
) -> dict[str, Any] | None:
    """Convert a variable; None if it is not supported. Reports losses."""
    name, kind = variable.get("name"), variable.get("type")
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name.startswith("__"):
        add(at, "dropped", f"{str(name)[:70]!r} is no name of a variable")
        return None
    if name in before:
        add(at, "dropped", f"there is a variable {name} already")
        return None
    label = variable.get("label")
    out: dict[str, Any] = {
        "name": name,
        "label": label if isinstance(label, str) else "",
        "multi": variable.get("multi") is True,
        "include_all": variable.get("includeAll") is True,
    }
    all_value = variable.get("allValue")
    if out["include_all"] and isinstance(all_value, str) and all_value:
        out["all_value"] = all_value
    match kind:
        case "query":
            read = _query(variable, at, add, before)
        case "custom" | "interval":
            read = _values(variable, at, add, str(kind))
        case "constant" | "textbox":
            text = variable.get("query")
            read = None
            if isinstance(text, str) and text:
                add(at, "changed", f"a {kind} became a variable with one value")
                read = {"type": "custom", "values": [text]}
                out |= {"multi": False, "include_all": False}
            else:
                add(at, "dropped", f"a {kind} without a value")
        case "datasource":
            add(at, "dropped", "there is one source of data: the samples of this server")
            return None
        case _:
            add(at, "dropped", f"variables of type {str(kind)[:40]} are not imported")
            return None
    if read is None:
        return None
    out |= read
    return out | _default(variable, out)


def _query(
    variable: Mapping[str, Any], at: str, add: Add, before: Sequence[str]
) -> dict[str, Any] | None:
    if (other := foreign(variable)) is not None:
        add(at, "dropped", f"its query is one of {other}, not of metrics")
        return None
    query = variable.get("query")
    text = query.get("query") if isinstance(query, Mapping) else query
    if not isinstance(text, str) or not text:
        text = variable.get("definition")
    if not isinstance(text, str) or not text:
        add(at, "dropped", "it has no query")
        return None
    read = read_variable_query(text)
    if read is None:
        add(
            f"{at}/query", "dropped", f"{text[:80]!r} is no query of label values, names or results"
        )
        return None
    for reference in references(read.expr):
        if reference.name not in before and not reference.name.startswith("__"):
            add(f"{at}/query", "dropped", f"it needs ${reference.name}, which does not come before")
            return None
    out: dict[str, Any] = {"type": "query", "query": text}
    regex = variable.get("regex")
    if isinstance(regex, str) and regex:
        plain = regex[1:-1] if len(regex) > 1 and regex[0] == regex[-1] == "/" else regex
        try:
            re2.compile(plain)
            out["regex"] = plain
        except re2.error:
            add(f"{at}/regex", "dropped", f"{plain[:80]!r} is no regular expression of RE2")
    return out


def _values(variable: Mapping[str, Any], at: str, add: Add, kind: str) -> dict[str, Any] | None:
    text = variable.get("query")
    parts = _COMMA.split(text) if isinstance(text, str) else []
    values = [part.strip().replace("\\,", ",") for part in parts]
    if any(" : " in value for value in values):
        add(f"{at}/query", "changed", "texts of values were dropped, the values are imported")
        values = [value.rpartition(" : ")[2].strip() for value in values]
    if kind == "interval":
        odd = [value for value in values if value and not _INTERVAL.fullmatch(value)]
        if odd:
            add(f"{at}/query", "changed", f"{', '.join(odd)[:80]} is no duration and was left out")
        values = [value for value in values if value not in odd]
    values = list(dict.fromkeys(value for value in values if value))
    if not values:
        add(at, "dropped", "it has no values")
        return None
    return {"type": kind, "values": values[:1000]}


def _default(variable: Mapping[str, Any], out: Mapping[str, Any]) -> dict[str, Any]:
    current = variable.get("current")
    chosen = current.get("value") if isinstance(current, Mapping) else None
    texts = [chosen] if isinstance(chosen, str) else chosen if isinstance(chosen, list) else []
    default = [text for text in texts if isinstance(text, str) and text]
    if "$__all" in default:
        default = ["$__all"] if out["include_all"] else []
    if out["type"] != "query":
        default = [t for t in default if t in out["values"] or t == "$__all"]
    return {"default": default if out["multi"] else default[:1]}
