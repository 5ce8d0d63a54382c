"""Import of OpenSLO documents as objectives.

The importer accepts `kind: SLO` with one objective, a rolling or calendar window, and a ratio or
threshold indicator with PromQL queries. The indicator is inline, or a `kind: SLI` of the same text.
The budget counts events (`budgetingMethod: Occurrences`) or minutes (`Timeslices`). The importer
rejects an average of ratios of slices, since no objective of this server computes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import ValidationError

from novaql import QueryError
from novaql.fast_dataclass import dataclass
from novaql.language import (
    Aggregate,
    Call,
    Expr,
    MatrixSelector,
    Paren,
    VectorSelector,
    format_expr,
    parse,
    walk,
)
from novaql.rules import YamlProblem, read_yaml_documents
from novaql.server.slo.schema import SetSlo
from novaql.server.wording import worded
from novaql.text import excerpt

_OPS = {"lte": "<=", "lt": "<", "gte": ">=", "gt": ">"}
_LONG_UNITS = {"M": 30, "Q": 90, "Y": 365}
"""Days of the OpenSLO units that a rolling window of this server does not have."""
_MOST_PLACES = 100
"""Places of a target before or after its point. `1e999999999` would be a text of a billion."""
_PERIODS = {"1d": "day", "1w": "week", "1M": "month", "1Q": "quarter", "1Y": "year"}


class NotTaken(ValueError):
    """The document cannot be imported. The message is the reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(excerpt(reason))


@dataclass(frozen=True, slots=True)
class Read:
    """One document: its objective, or the reason why it has none.

    notes  differences between the document and the objective
    """

    name: str
    service: str = ""
    slo: SetSlo | None = None
    problem: str = ""
    notes: tuple[str, ...] = ()


def read_documents(text: str) -> Iterator[Read]:
    """Read every document of a YAML text. Raises `NotTaken` if the text is not YAML."""
    try:
        documents = read_yaml_documents(text)
    except YamlProblem as problem:
        raise NotTaken(str(problem)) from None
    indicators = {_name(d): d for d in documents if _kind(d) == "SLI" and _name(d)}
    for number, document in enumerate(documents, 1):
        if document is None or _kind(document) == "SLI":
            continue
        name = _name(document) or f"document {number}"
        try:
            yield _read(name, document, indicators)
        except NotTaken as problem:
            yield Read(name, problem=str(problem))


def _read(name: str, document: Any, indicators: Mapping[str, Any]) -> Read:
    kind = _at(document, "kind", str)
    if kind != "SLO":
        raise NotTaken(f"kind {kind} is not read; SLO is, and SLI where one refers to it")
    spec = _at(document, "spec", dict)
    objectives = _at(spec, "objectives", list)
    if len(objectives) != 1 or not isinstance(objectives[0], dict):
        raise NotTaken(f"there are {len(objectives)} objectives; one is read")
    (objective,) = objectives
    notes: list[str] = []
    body = {
        "name": _name(document),
        "objective": _target(objective),
        "window": _window(spec, notes),
        "indicator": _budgeted(spec, _indicator(spec, objective, indicators), objective, notes),
    }
    try:
        slo = SetSlo.model_validate(body)
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise NotTaken(f"{where}: {worded(first)}") from None
    return Read(name, _at(spec, "service", str), slo, notes=tuple(notes))


def _kind(document: Any) -> str:
    return str(document.get("kind", "")) if isinstance(document, dict) else ""


def _name(document: Any) -> str:
    found = document.get("metadata") if isinstance(document, dict) else None
    name = found.get("name") if isinstance(found, dict) else None
    return name if isinstance(name, str) else ""


def _target(objective: Mapping[str, Any]) -> str:
    is_share = "target" in objective
    try:
        target = Decimal(str(objective["target" if is_share else "targetPercent"]))
    except (KeyError, InvalidOperation):
        raise NotTaken("the objective has no target") from None
    if not target.is_finite() or abs(target.adjusted()) > _MOST_PLACES:
        raise NotTaken("the target is no share above 0 and below 1")
    return format(target if is_share else target / 100, "f")


def _window(spec: Mapping[str, Any], notes: list[str]) -> str | dict[str, str]:
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
        if "startTime" in calendar:
            notes.append(f"startTime is not imported: the window is the {period} of the calendar")
        return {"period": period, "zone": str(calendar.get("timeZone", "UTC"))}
    if window.get("isRolling") is False:
        raise NotTaken("a timeWindow that is not rolling needs a calendar")
    found = re.fullmatch(r"(\d{1,4})([MQY])", duration)
    if found is None:
        return duration
    days = f"{int(found[1]) * _LONG_UNITS[found[2]]}d"
    notes.append(f"a rolling window of {duration} became {days}")
    return days


def _budgeted(
    spec: Mapping[str, Any], indicator: dict[str, Any], objective: Any, notes: list[str]
) -> dict[str, Any]:
    """The indicator that counts events, or minutes, by the budgeting method."""
    method = spec.get("budgetingMethod", "Occurrences")
    if method == "Occurrences":
        return indicator
    if method != "Timeslices":
        raise NotTaken(f"a budgetingMethod of {method} is not read: Occurrences, Timeslices")
    length, bound = str(objective.get("timeSliceWindow", "")), objective.get("timeSliceTarget")
    slice_ = f"{length}m" if length.isdecimal() else length
    if not re.fullmatch(r"[1-9]\d{0,3}[mh]", slice_):
        raise NotTaken("Timeslices need a timeSliceWindow of minutes or hours, as 1m")
    if indicator["type"] == "threshold":
        if slice_ != "1m":
            raise NotTaken("a thresholdMetric is judged every minute: a timeSliceWindow of 1m")
        return indicator
    if isinstance(bound, bool) or not isinstance(bound, int | float) or not 0 < bound <= 1:
        raise NotTaken("Timeslices need a timeSliceTarget above 0 and up to 1")
    op = _OPS.get(str(objective.get("op", "gte")))
    if op is None:
        raise NotTaken(f"an op of {objective['op']} is not read: {', '.join(_OPS)}")
    if slice_ != "1m":
        notes.append(f"every minute is judged by the {slice_} before it, not every {slice_}")
    return {
        "type": "threshold",
        "expr": _good_ratio(indicator, slice_),
        "op": op,
        "threshold": float(bound),
    }


def _good_ratio(ratio: Mapping[str, Any], window: str) -> str:
    """The share of good events. A slice without events has no value, so it is not bad."""
    total = f"sum(rate({ratio['total']}[{window}]))"
    side = "good" if "good" in ratio else "bad"
    share = f"(sum(rate({ratio[side]}[{window}])) or 0 * {total}) / ({total} > 0)"
    return share if side == "good" else f"1 - {share}"


def _indicator(
    spec: Mapping[str, Any], objective: Any, indicators: Mapping[str, Any]
) -> dict[str, Any]:
    inline = spec.get("indicator")
    if not isinstance(inline, dict):
        name = spec.get("indicatorRef")
        inline = indicators.get(name) if isinstance(name, str) else None
        if inline is None:
            raise NotTaken(f"there is no indicator, and no kind SLI named {name} in this text")
    what = _at(inline, "spec", dict)
    if isinstance(what.get("ratioMetric"), dict):
        ratio = what["ratioMetric"]
        if "raw" in ratio:
            raise NotTaken("a raw ratio has no events to count; set good or bad, and total")
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
        tree = parse(query, strict_promql=True)
    except QueryError as problem:
        raise NotTaken(f"{side}: {problem.message}") from None
    if ratio.get("counter") is False and not any(isinstance(one, Call) for one in walk(tree)):
        raise NotTaken(
            f"{side}: {query} is no counter, by `counter: false`; only counters are read"
        )
    selector = _counted(tree)
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
