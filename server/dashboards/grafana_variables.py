"""Variables of a Grafana dashboard."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import re2

from novaql.server.dashboards.checks import INTERVAL
from novaql.server.dashboards.grafana_parts import Part, Report, foreign
from novaql.server.dashboards.interpolation import references
from novaql.server.dashboards.variable_queries import read_variable_query

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,63}", re.ASCII)
_COMMA = re.compile(r"(?<!\\),")


def read_variable(
    variable: Part, at: str, report: Report, before: Sequence[str]
) -> dict[str, Any] | None:
    """Convert a variable; None if it is not supported. Reports losses."""
    name, kind = variable.get("name"), variable.get("type")
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name.startswith("__"):
        report.dropped(at, f"{str(name)[:70]!r} is no name of a variable")
        return None
    if name in before:
        report.dropped(at, f"there is a variable {name} already")
        return None
    out: dict[str, Any] = {
        "name": name,
        "label": variable.text("label"),
        "multi": variable.get("multi") is True,
        "include_all": variable.get("includeAll") is True,
    }
    if out["include_all"] and variable.text("allValue"):
        out["all_value"] = variable.text("allValue")
    read = None
    match kind:
        case "query":
            read = _query(variable, at, report, before)
        case "custom" | "interval":
            read = _values(variable, at, report, str(kind))
        case "constant" | "textbox":
            if text := variable.text("query"):
                report.changed(at, f"a {kind} became a variable with one value")
                read = {"type": "custom", "values": [text], "multi": False, "include_all": False}
            else:
                report.dropped(at, f"a {kind} without a value")
        case "datasource":
            report.dropped(at, "there is one source of data: the samples of this server")
        case _:
            report.dropped(at, f"variables of type {str(kind)[:40]} are not imported")
    if read is None:
        return None
    out |= read
    return out | {"default": _default(variable, out)}


def _query(variable: Part, at: str, report: Report, before: Sequence[str]) -> dict[str, Any] | None:
    if (other := foreign(variable)) is not None:
        report.dropped(at, f"its query is one of {other}, not of metrics")
        return None
    inner = variable.part("query").text("query") or variable.text("query")
    text = inner or variable.text("definition")
    if not text:
        report.dropped(at, "it has no query")
        return None
    read = read_variable_query(text)
    if read is None:
        what = "is no query of label values, names or results"
        report.dropped(f"{at}/query", f"{text[:80]!r} {what}")
        return None
    for reference in references(read.expr):
        if reference.name not in before and not reference.name.startswith("__"):
            what = f"it needs ${reference.name}, which does not come before"
            report.dropped(f"{at}/query", what)
            return None
    out: dict[str, Any] = {"type": "query", "query": text}
    if regex := variable.text("regex"):
        plain = regex[1:-1] if len(regex) > 1 and regex[0] == regex[-1] == "/" else regex
        try:
            re2.compile(plain)
            out["regex"] = plain
        except re2.error:
            report.dropped(f"{at}/regex", f"{plain[:80]!r} is no regular expression of RE2")
    return out


def _values(variable: Part, at: str, report: Report, kind: str) -> dict[str, Any] | None:
    values = [v.strip().replace("\\,", ",") for v in _COMMA.split(variable.text("query"))]
    if any(" : " in value for value in values):
        report.changed(f"{at}/query", "texts of values were dropped, the values are imported")
        values = [value.rpartition(" : ")[2].strip() for value in values]
    if kind == "interval":
        odd = [value for value in values if value and not INTERVAL.fullmatch(value)]
        if odd:
            what = f"{', '.join(odd)[:80]} is no duration and was left out"
            report.changed(f"{at}/query", what)
        values = [value for value in values if value not in odd]
    values = list(dict.fromkeys(value for value in values if value))
    if not values:
        report.dropped(at, "it has no values")
        return None
    return {"type": kind, "values": report.cut(f"{at}/query", values, 1000, "values")}


def _default(variable: Part, out: Mapping[str, Any]) -> list[str]:
    current = variable.part("current")
    chosen = [current.text("value")] if current.text("value") else current.items("value")
    default = [text for text in chosen if isinstance(text, str) and text]
    if "$__all" in default:
        default = ["$__all"] if out["include_all"] else []
    if out["type"] != "query":
        default = [text for text in default if text in out["values"] or text == "$__all"]
    return default if out["multi"] else default[:1]
