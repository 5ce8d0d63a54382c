"""Checks of rules before the transaction that writes them."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from starlette.requests import Request

from novaql.server.alert_model.tables import AlertRule
from novaql.server.alert_rules.model import (
    check_expression,
    check_labels,
    check_name,
    check_templates,
)
from novaql.server.alert_rules.schema import RuleBody, RulePatch
from novaql.server.alert_rules.tables import RuleGroup
from novaql.server.alert_rules.thresholds import thresholds_of
from novaql.server.alert_rules.transitions import SYNTHETIC
from novaql.server.db.tenant_limits import limit_reached
from novaql.server.errors import Conflict, invalid
from novaql.server.http.dependencies import ResourceId
from novaql.server.http.preparing import Preparation, checked
from novaql.server.settings import Settings

_MS = timedelta(milliseconds=1)
SHORTEST_INTERVAL = timedelta(seconds=1)
LONGEST_INTERVAL = timedelta(days=1)
PLAIN = (
    *("severity", "service", "no_data", "on_error", "escalation_policy_id", "auto_incident"),
    "paused",
)
_SAME = ("name", "type", "expr", "labels", "annotations", "channels")


async def checked_rule(request: Request, body: RuleBody) -> None:
    """Check a new rule."""
    await checked(request, body, _check_new)


async def checked_patch(request: Request, id: ResourceId, body: RulePatch) -> int:
    """Check a changed rule. Returns the version that it was checked with."""
    return await checked(request, body, partial(_check_changed, id))


def _check_new(preparation: Preparation) -> None:
    check_rule(preparation.body, preparation.context.settings)
    thresholds_of(preparation.body.expr)  # caches them for the answer


def _check_changed(rule_id: str, preparation: Preparation) -> int:
    with preparation.read() as unit:
        rule = unit.get(AlertRule, rule_id, "alert_rule")
        group = unit.get(RuleGroup, rule.group_id, "alert_rule")
    if rule.managed.startswith("slo:"):
        raise Conflict("the rule belongs to an objective; change that", code="rule_is_managed")
    if rule.managed.startswith(SYNTHETIC):
        raise Conflict("the rule belongs to a synthetic check", code="rule_is_managed")
    whole = patched(rule, group, preparation.body)
    check_rule(whole, preparation.context.settings, given=preparation.body)
    thresholds_of(whole.expr)
    return rule.version


def check_rule(body: RuleBody, settings: Settings, given: RulePatch | None = None) -> None:
    """Raise the first problem of a rule: `InvalidRequest`, `Impossible`, or `Conflict` for an
    interval that is too short for the tenant.

    given  the fields that change; None means all
    """
    recording = body.type == "recording"
    check_name(body.name, recording=recording)
    check_labels(body.labels)
    for name in ("severity", "service"):
        if name in body.labels and getattr(body, name) is not None:
            raise invalid(f"/labels/{name}", f"the field {name} sets it")
    if not recording:
        check_templates(body.labels, "/labels")
        check_templates(body.annotations, "/annotations")
    check_expression(body.expr)
    if recording:
        for name in ("for_", "keep_firing_for", "annotations", "channels"):
            if getattr(body, name):
                raise invalid(f"/{name.rstrip('_')}", "a recording rule has none")
    if body.interval is not None and (given is None or "interval" in given.model_fields_set):
        if not SHORTEST_INTERVAL <= body.interval <= LONGEST_INTERVAL:
            raise invalid("/interval", "an interval is from 1s to 1d")
        check_interval_ms(ms(body.interval), settings, "a rule", "/interval")


def check_interval_ms(interval_ms: int, settings: Settings, what: str, pointer: str) -> None:
    """Raise `Conflict` `limit_reached` for an interval that is too short for the tenant."""
    least = settings.min_evaluation_interval_s
    if interval_ms < least * 1000:
        raise limit_reached(
            "min_evaluation_interval_s",
            f"{what} is evaluated every {least:g} s at most",
            least,
            pointer,
        )


def columns_of(body: RuleBody) -> dict[str, Any]:
    """The columns of a rule that a checked body sets."""
    return {
        "name": body.name,
        "expr": body.expr,
        "for_ms": ms(body.for_),
        "keep_firing_for_ms": ms(body.keep_firing_for),
        "labels": dict(body.labels),
        "annotations": dict(body.annotations),
        "channels": list(body.channels),
        **{name: getattr(body, name) for name in PLAIN},
    }


def patched(rule: AlertRule, group: RuleGroup, body: RulePatch) -> RuleBody:
    """Apply a patch to a rule. null removes an optional field."""
    offset = group.query_offset_ms
    current = {
        "for_": rule.for_ms * _MS,
        "keep_firing_for": rule.keep_firing_for_ms * _MS,
        "interval": group.interval_ms * _MS,
        "query_offset": None if offset is None else offset * _MS,
        "limit": group.limit,
        **{name: getattr(rule, name) for name in (*_SAME, *PLAIN)},
    }
    given = {name: getattr(body, name) for name in body.model_fields_set - {"version"}}
    return RuleBody.model_validate({**current, **given}, by_name=True)


def ms(duration: timedelta | None) -> int:
    """Milliseconds; None is 0."""
    return 0 if duration is None else duration // _MS
