"""The dry run of a rule over a past range: the alerts that it would have raised, with their times.

It evaluates the expression as rules do, at each step, and passes the result to the state machine of
evaluations. One range query does the same for most expressions. It writes nothing and sends no
notification.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import field, replace
from datetime import timedelta
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from novaql import (
    Cancellation,
    EvaluationError,
    NativeCells,
    QueryCancelled,
    QueryOptions,
    QueryTimeout,
    Result,
    evaluate,
)
from novaql.fast_dataclass import dataclass
from novaql.model import Labels
from novaql.planner import has_independent_steps
from novaql.rules import AlertingRule, Group
from novaql.rules.evaluation import ActiveAlert, AlertState, RuleContext, State, Vector
from novaql.server.alert_model.tables import AlertRule
from novaql.server.alert_rules.alert_store import value_text
from novaql.server.alert_rules.checks import check_rule, columns_of, ms
from novaql.server.alert_rules.jobs import rule_context
from novaql.server.alert_rules.model import library_rule
from novaql.server.alert_rules.schema import RuleBody, TestRule, TriedAlert, TriedOut
from novaql.server.clock import from_ms, rfc3339, to_ms
from novaql.server.errors import inside, invalid
from novaql.server.http.dependencies import READ_ONLY, SAMPLES
from novaql.server.http.json_bytes import json_bytes
from novaql.server.http.request import context_of
from novaql.server.http.routing import api_router
from novaql.server.http.unit_of_work import in_unit
from novaql.server.notifications.lookup import check_channels
from novaql.server.pools.query_workers import TooLargeHere
from novaql.server.query.run import within_budget
from novaql.server.tenants.context import ServerContext

router = api_router("/v1/alert-rules", "alerts")

SHOWN = 200
MOST_SECONDS = 20.0
MOST_ALERTS = 10_000
"""Most alerts of a dry run."""

MOST_TRANSITIONS = 200_000
MOST_TEXT = 64 << 20
"""Most characters of labels and annotations in a dry run."""


class _TooMuch(Exception):
    """A dry run exceeds a limit."""


@dataclass(slots=True)
class _Timeline:
    """The transitions of one alert."""

    annotations: dict[str, str] = field(default_factory=dict)
    transitions: list[dict[str, Any]] = field(default_factory=list)
    firing_since_ms: int | None = None
    firing_ms: int = 0
    fired: int = 0


@dataclass(slots=True)
class _Timelines:
    """The transitions of all alerts, within limits. Raises `_TooMuch`."""

    of: dict[Labels, _Timeline] = field(default_factory=dict)
    transitions: int = 0
    text: int = 0

    def step(
        self, before: dict[Labels, State], after: dict[Labels, ActiveAlert], now_ms: int
    ) -> None:
        """Add the transitions between two steps."""
        for labels, alert in after.items():
            timeline = self._timeline(labels, alert.annotations)
            old = before.get(labels)
            if alert.state is State.INACTIVE:
                if old is State.FIRING:
                    self._add(timeline, "resolved", value_text(alert.value), now_ms)
            elif old is not alert.state:
                self._add(timeline, alert.state.value, value_text(alert.value), now_ms)
        for labels, old in before.items():
            if labels not in after and old is State.PENDING:
                self._add(self.of[labels], "inactive", None, now_ms)

    def _timeline(self, labels: Labels, annotations: dict[str, str]) -> _Timeline:
        timeline = self.of.get(labels)
        if timeline is None:
            if len(self.of) >= MOST_ALERTS:
                raise _TooMuch(f"there are more than {MOST_ALERTS} alerts")
            timeline = self.of[labels] = _Timeline()
            self.text += sum(len(name) + len(text) for name, text in labels)
        if timeline.annotations is not annotations:
            self.text += sum(map(len, annotations.values()))
            self.text -= sum(map(len, timeline.annotations.values()))
            timeline.annotations = annotations
            if self.text > MOST_TEXT:
                raise _TooMuch(f"labels and annotations are longer than {MOST_TEXT >> 20} MiB")
        return timeline

    def _add(self, timeline: _Timeline, state: str, value: str | None, now_ms: int) -> None:
        self.transitions += 1
        if self.transitions > MOST_TRANSITIONS:
            raise _TooMuch(f"alerts change their state more than {MOST_TRANSITIONS} times")
        timeline.transitions.append({"at": _time(now_ms), "state": state, "value": value})
        if state == State.FIRING.value:
            timeline.fired += 1
            timeline.firing_since_ms = now_ms
        elif timeline.firing_since_ms is not None:
            timeline.firing_ms += now_ms - timeline.firing_since_ms
            timeline.firing_since_ms = None


@router.post("/test", dependencies=[READ_ONLY, SAMPLES], response_model=TriedOut)
async def try_rule(request: Request, body: TestRule) -> Response:
    """Test a rule over a past range.

    The answer lists the alerts that the rule would have raised, and when. The server evaluates the
    rule at `start` and at every `interval` after it up to `end`. It stores nothing and sends no
    notification. The test does not cover the policies for missing data and for errors.
    """
    context = context_of(request)
    rule = body.rule
    with inside("/rule"):
        await context.pools.queries.check(request, lambda _: check_rule(rule, context.settings))
        await in_unit(
            request, lambda unit: check_channels(unit, rule.channels, "/channels", hold=False)
        )
    interval_ms = ms(rule.interval) or round(context.settings.evaluation_interval_s * 1000)
    start_ms, end_ms = to_ms(body.start), to_ms(body.end)
    if end_ms < start_ms:
        raise invalid("/end", "the end is before the start")
    steps = (end_ms - start_ms) // interval_ms + 1
    most = context.settings.max_query_points
    if steps > most:
        raise invalid("/end", f"{steps} evaluations are more than {most}; try a shorter range")

    def work(cancellation: Cancellation) -> TriedOut:
        return dry_run(context, rule, start_ms, end_ms, interval_ms, cancellation)

    budget = context.settings.query_timeout_s
    shown = await context.pools.queries.run(request, _too_large, timeout_s=budget, large=work)
    content = json_bytes(shown.model_dump(mode="json"))
    return Response(content, media_type="application/json", headers={"Cache-Control": "no-store"})


def _too_large(_: Cancellation) -> TriedOut:
    """Run it as a large query: it expands templates, and their cost has no estimate."""
    raise TooLargeHere


def dry_run(
    context: ServerContext,
    body: RuleBody,
    start_ms: int,
    end_ms: int,
    interval_ms: int,
    cancellation: Cancellation,
) -> TriedOut:
    """Run a rule over a past range. Raises the errors of queries."""
    offset_ms = ms(body.query_offset)
    rules = rule_context(context, cancellation)
    first_ms, last_ms = start_ms - offset_ms, end_ms - offset_ms
    options = replace(rules.options(first_ms), end_ms=last_ms, step_ms=interval_ms, timeout_s=None)
    warnings: dict[str, None] = {}

    def evaluated(options: QueryOptions) -> Result:
        found = evaluate(
            body.expr,
            context.store,
            within_budget(context, options, cancellation),
            cancellation=cancellation,
        )
        warnings.update(dict.fromkeys(found.warnings))
        return found

    steps: Iterator[tuple[int, Vector]]
    if has_independent_steps(body.expr, options):
        result = evaluated(options)
        times = enumerate(result.times_ms.tolist())
        steps = ((at_ms, _column(result, step)) for step, at_ms in times)
    else:  # as `x default 0`, which fills the gaps of series that have a value at another step
        instants = (
            replace(options, start_ms=at_ms, end_ms=at_ms, step_ms=0)
            for at_ms in range(first_ms, last_ms + 1, interval_ms)
        )
        steps = ((one.start_ms, _column(evaluated(one), 0)) for one in instants)
    rule = library_rule(AlertRule(type=body.type, **columns_of(body)))
    assert isinstance(rule, AlertingRule)
    state = AlertState(rule, Group("test", (rule,), interval_ms, offset_ms, body.limit))
    timelines, problem, evaluations = _run(state, steps, rules, offset_ms, cancellation)
    complete = evaluations == (end_ms - start_ms) // interval_ms + 1
    until_ms = end_ms if complete else start_ms + (evaluations - 1) * interval_ms
    alerts = [_shown(labels, timeline, until_ms) for labels, timeline in timelines.of.items()]
    alerts.sort(key=lambda alert: (-alert.firing_seconds, sorted(alert.labels.items())))
    if body.no_data != "ok" or body.on_error != "keep":
        warnings["policies for missing data and for errors are not tried"] = None
    return TriedOut(
        start=from_ms(start_ms),
        end=from_ms(end_ms),
        interval=timedelta(milliseconds=interval_ms),
        evaluations=evaluations,
        alerts=alerts[:SHOWN],
        total_alerts=len(alerts),
        total_fired=sum(alert.fired for alert in alerts),
        firing_at_end=sum(one.firing_since_ms is not None for one in timelines.of.values()),
        truncated=len(alerts) > SHOWN,
        problem=problem,
        warnings=list(warnings),
    )


def _run(
    state: AlertState,
    steps: Iterator[tuple[int, Vector]],
    rules: RuleContext,
    offset_ms: int,
    cancellation: Cancellation,
) -> tuple[_Timelines, str | None, int]:
    timelines = _Timelines()
    began = time.monotonic()
    done = 0
    for at_ms, vector in steps:
        now_ms = at_ms + offset_ms
        if cancellation.cancelled:
            raise QueryCancelled("the client went away")
        if time.monotonic() - began > MOST_SECONDS:
            return timelines, _late(now_ms), done
        done += 1
        if not len(vector) and not state.alerts:
            continue
        before = {key: alert.state for key, alert in state.alerts.items()}
        left_s = max(0.001, MOST_SECONDS - (time.monotonic() - began))
        try:
            found = state.labelled(vector, now_ms, replace(rules, timeout_s=left_s))
            state.advance(found, now_ms)
            timelines.step(before, state.alerts, now_ms)
        except QueryTimeout:
            return timelines, _late(now_ms), done - 1
        except (EvaluationError, _TooMuch) as failure:
            return timelines, f"{_time(now_ms)}: {failure}", done
    return timelines, None, done


def _late(now_ms: int) -> str:
    return f"it took longer than {MOST_SECONDS:g} s up to {_time(now_ms)}"


def _column(result: Result, step: int) -> Vector:
    rows = np.arange(result.series.rows)
    if result.valid is not None:
        rows = np.flatnonzero(result.valid[:, step])
    native = result.native
    if native is not None:
        native = NativeCells(native.histograms, native.which[rows, step])
    return Vector(result.series.take(rows), result.values[rows, step], native)


def _shown(labels: Labels, timeline: _Timeline, end_ms: int) -> TriedAlert:
    firing = timeline.firing_ms
    if timeline.firing_since_ms is not None:
        firing += end_ms - timeline.firing_since_ms
    return TriedAlert(
        labels=dict(labels),
        annotations=timeline.annotations,
        transitions=timeline.transitions,
        firing_seconds=firing / 1000,
        fired=timeline.fired,
    )


def _time(at_ms: int) -> str:
    return rfc3339(from_ms(at_ms))
