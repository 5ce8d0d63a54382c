"""An objective as Prometheus rules: recording rules and burn alerts.

Names and labels are those of Sloth, so that dashboards for Sloth also show these rules. The rules
count with `rate`, which every Prometheus can evaluate. The posture counts exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from novaql.language import format_expr
from novaql.server.slo.burn import BURN_WINDOWS, DAY, HOUR, MINUTE, Pair, Severity, pairs_of
from novaql.server.slo.indicator import Latency, Ratio, Threshold, read_indicator
from novaql.server.slo.objective import Objective
from novaql.server.slo.posture import window_of
from novaql.server.slo.tables import Slo


def error_ratio(indicator: Mapping[str, Any], window: str) -> str:
    """PromQL for the share of bad events in a window; the result is empty without events."""
    found = read_indicator(indicator)
    match found:
        case Ratio(total=total, bad=str(bad)):
            events = f"sum(rate({total}[{window}]))"
            return f"(sum(rate({bad}[{window}])) or 0 * {events}) / {events}"
        case Ratio(total=total, good=good):
            events = f"sum(rate({total}[{window}]))"
            return f"1 - (sum(rate({good}[{window}])) or 0 * {events}) / {events}"
        case Latency(histogram=histogram, threshold=threshold):
            bucket = format_expr(found.part("_bucket"))
            classic = f"sum by (le) (rate({bucket}[{window}]))"
            native = f"sum(rate({histogram}[{window}]))"
            good = " or ".join(
                f"histogram_fraction(-Inf, {threshold!r}, {inside})" for inside in (classic, native)
            )
            return f"1 - ({good})"
        case Threshold():
            counts = found.counts()
            if counts.bad is not None:
                return f"{counts.bad(window)} / {counts.total(window)}"
            assert counts.good is not None
            return f"1 - {counts.good(window)} / {counts.total(window)}"
        case _:
            raise TypeError(f"{type(found).__name__} has no error ratio")


def events(indicator: Mapping[str, Any], window: str) -> str:
    """PromQL for the number of events in a window."""
    found = read_indicator(indicator)
    match found:
        case Ratio(total=total):
            return f"sum(increase({total}[{window}]))"
        case Latency(histogram=histogram):
            count = format_expr(found.part("_count"))
            native = f"histogram_count(sum(increase({histogram}[{window}])))"
            return f"(sum(increase({count}[{window}])) or {native})"
        case Threshold():
            return found.counts().total(window)
        case _:
            raise TypeError(f"{type(found).__name__} has no events")


def alert_rules(slo: Slo) -> list[dict[str, Any]]:
    """The burn alerts: one rule for each severity, with its pairs of windows joined by `or`."""
    objective, seconds = Objective.parse(slo.objective), window_of(slo.window).usual_seconds
    found = []
    for severity in Severity:
        pairs = [p for p in pairs_of(seconds) if p.severity is severity]
        if not pairs:
            continue
        found.append(
            {
                "name": f"SLOBurn{severity.title()}",
                "expr": " or ".join(_condition(slo, objective, p, seconds) for p in pairs),
                "labels": {
                    "service": slo.service,
                    "slo": slo.name,
                    "severity": severity.value,
                },
                "annotations": {
                    "summary": f"{slo.service}: the error budget of {slo.name} burns too fast",
                    "objective": slo.objective,
                },
            }
        )
    return found


def _condition(slo: Slo, objective: Objective, pair: Pair, seconds: int) -> str:
    bound = float(pair.factor(seconds) * objective.allowed)
    short, long = (text_of(s) for s in (pair.short, pair.long))
    description = (
        f"({error_ratio(slo.indicator, short)}) > {bound!r} "
        f"and ({error_ratio(slo.indicator, long)}) > {bound!r}"
    )
    if slo.min_events:
        description += f" and {events(slo.indicator, long)} >= {slo.min_events}"
    return f"({description})"


def prometheus_rules(slo: Slo) -> str:
    """A rule file for Prometheus."""
    labels = {
        "sloth_id": f"{slo.service}-{slo.name}",
        "sloth_service": slo.service,
        "sloth_slo": slo.name,
    }
    objective, seconds = Objective.parse(slo.objective), window_of(slo.window).usual_seconds
    period = text_of(seconds)
    by = "{" + ", ".join(f'{name}="{value}"' for name, value in labels.items()) + "}"
    windows = dict.fromkeys([*BURN_WINDOWS, period])
    ratios = [
        {
            "record": f"slo:sli_error:ratio_rate{window}",
            "expr": error_ratio(slo.indicator, window),
            "labels": {**labels, "sloth_window": window},
        }
        for window in windows
    ]
    budget = repr(float(objective.allowed))
    facts = {
        "slo:objective:ratio": f"vector({float(objective.ratio)!r})",
        "slo:error_budget:ratio": f"vector({budget})",
        "slo:time_period:days": f"vector({seconds / DAY:g})",
        "slo:current_burn_rate:ratio": f"slo:sli_error:ratio_rate5m{by} / {budget}",
        "slo:period_burn_rate:ratio": f"slo:sli_error:ratio_rate{period}{by} / {budget}",
        "slo:period_error_budget_remaining:ratio": f"1 - slo:period_burn_rate:ratio{by}",
        "sloth_slo_info": "vector(1)",
    }
    meta = [{"record": name, "expr": expr, "labels": labels} for name, expr in facts.items()]
    alerts = [{"alert": rule.pop("name"), **rule} for rule in alert_rules(slo)]
    name = f"{slo.service}-{slo.name}"
    groups = [
        {"name": f"sloth-slo-sli-recordings-{name}", "rules": ratios},
        {"name": f"sloth-slo-meta-recordings-{name}", "rules": meta},
        {"name": f"sloth-slo-alerts-{name}", "rules": alerts},
    ]
    text: str = yaml.safe_dump(
        {"groups": [g for g in groups if g["rules"]]}, sort_keys=False, allow_unicode=True
    )
    return text


def text_of(seconds: int) -> str:
    """A window of whole minutes as one unit, as in the names of recording rules: `90m`."""
    for size, unit in ((DAY, "d"), (HOUR, "h")):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds // MINUTE}m"
