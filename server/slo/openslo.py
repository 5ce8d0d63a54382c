"""OpenSLO documents as objectives, and what of them cannot be taken.

Read are `kind: SLO` with one objective, a rolling or calendar window, and a ratio or threshold
indicator whose queries are Prometheus's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import yaml
from pydantic import ValidationError

from novaql.errors import QueryError
from novaql.language import format_expr, parse
from novaql.language.ast import Aggregate, Call, Expr, MatrixSelector, Paren, VectorSelector
from server.slo.schema import SetSlo

_OPS = {"lte": "<=", "lt": "<", "gte": ">=", "gt": ">"}
_PERIODS = {"1d": "day", "1w": "week", "1M": "month", "1Q": "quarter", "1Y": "year"}


class NotTaken(ValueError):
    """A document that is no objective here. The message says why."""


@dataclass(frozen=True, slots=True)
class Read:
    """One document: the objective it is, or why it is none."""

    name: str
    service: str = ""
    slo: SetSlo | None = None
    problem: str = ""


def read_documents(text: str) -> Iterator[Read]:
    """Every document of a YAML text. Raises `NotTaken` if it is no YAML."""
    try:
        documents = list(yaml.safe_load_all(text))
    except (yaml.YAMLError, ValueError, RecursionError) as problem:  # 2026-13-01 is no date
        raise NotTaken(f"this is no YAML: {str(problem).splitlines()[0]}") from None
    for number, document in enumerate(documents, 1):
        if document is None:
            continue
        name = _name(document) or f"document {number}"
        try:
            service, slo = _slo(document)
        except NotTaken as problem:
            yield Read(name, problem=str(problem))
        else:
            yield Read(name, service, slo)


def _slo(document: Any) -> tuple[str, SetSlo]:
    kind = _at(document, "kind", str)
    if kind != "SLO":
        raise NotTaken(f"kind {kind} is not read; SLO is")
    spec = _at(document, "spec", dict)
    objectives = _at(spec, "objectives", list)
    if len(objectives) != 1:
        raise NotTaken(f"there are {len(objectives)} objectives; one is read")
    (objective,) = objectives
    indicator = _indicator(spec, objective)
    body = {
        "name": _name(document),
        "objective": _target(objective),
        "window": _window(spec),
        "indicator": indicator,
    }
    try:
        return _at(spec, "service", str), SetSlo.model_validate(body)
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise NotTaken(f"{where}: {first['msg']}") from None


def _name(document: Any) -> str:
    found = document.get("metadata") if isinstance(document, dict) else None
    name = found.get("name") if isinstance(found, dict) else None
    return name if isinstance(name, str) else ""


def _target(objective: Mapping[str, Any]) -> str:
    try:
        if "target" in objective:
            return format(Decimal(str(objective["target"])), "f")
        return format(Decimal(str(objective["targetPercent"])) / 100, "f")
    except (KeyError, InvalidOperation):
        raise NotTaken("the objective has no target") from None


def _window(spec: Mapping[str, Any]) -> str | dict[str, str]:
    windows = _at(spec, "timeWindow", list)
    if len(windows) != 1 or not isinstance(windows[0], dict):
        raise NotTaken("one timeWindow is read")
    (window,) = windows
    duration = str(window.get("duration", ""))
    calendar = window.get("calendar")
    if isinstance(calendar, dict):
        period = _PERIODS.get(duration)
        if period is None:
            raise NotTaken(f"a calendar window of {duration} is not read: {', '.join(_PERIODS)}")
        return {"period": period, "zone": str(calendar.get("timeZone", "UTC"))}
    return duration.replace("M", "m") if duration != "1M" else "30d"


def _indicator(spec: Mapping[str, Any], objective: Any) -> dict[str, Any]:
    inline = spec.get("indicator")
    if not isinstance(inline, dict):
        raise NotTaken("only an inline indicator is read, not indicatorRef")
    what = _at(inline, "spec", dict)
    if isinstance(what.get("ratioMetric"), dict):
        ratio = what["ratioMetric"]
        found = {"type": "ratio", "total": _counter(ratio, "total")}
        for side in ("good", "bad"):
            if side in ratio:
                found[side] = _counter(ratio, side)
        return found
    if isinstance(what.get("thresholdMetric"), dict):
        op = _OPS.get(str(objective.get("op", "")))
        if op is None or not isinstance(objective.get("value"), int | float):
            raise NotTaken("a thresholdMetric needs op and value in its objective")
        query = _query(what["thresholdMetric"])
        return {
            "type": "threshold",
            "expr": query,
            "op": op,
            "threshold": float(objective["value"]),
        }
    raise NotTaken("the indicator has neither ratioMetric nor thresholdMetric")


def _counter(ratio: Mapping[str, Any], side: str) -> str:
    """The counter behind a query such as `sum(rate(x[5m]))`."""
    found = ratio.get(side)
    if not isinstance(found, dict):
        raise NotTaken(f"ratioMetric has no {side}")
    query = _query(found)
    try:
        selector = _counted(parse(query))
    except QueryError as problem:
        raise NotTaken(f"{side}: {problem.message}") from None
    if selector is None:
        raise NotTaken(f"{side}: {query} is not the sum or rate of one counter")
    return format_expr(selector)


def _counted(expr: Expr) -> VectorSelector | None:
    while isinstance(expr, Paren):
        expr = expr.inner
    match expr:
        case VectorSelector():
            return expr
        case MatrixSelector(selector=selector):
            return selector
        case Aggregate(op="sum", grouping=(), without=False, operand=operand):
            return _counted(operand)
        case Call(function="rate" | "increase" | "irate", arguments=(argument,)):
            return _counted(argument)
        case _:
            return None


def _query(metric: Mapping[str, Any]) -> str:
    source = metric.get("metricSource")
    spec = source.get("spec") if isinstance(source, dict) else None
    query = spec.get("query") if isinstance(spec, dict) else None
    if not isinstance(query, str):
        raise NotTaken("a metricSource without spec.query is not read")
    return query


def _at(found: Any, key: str, kind: type) -> Any:
    value = found.get(key) if isinstance(found, dict) else None
    if not isinstance(value, kind):
        raise NotTaken(f"{key} is missing, or is no {kind.__name__}")
    return value
