"""rules, alerts and alertmanagers: the rules of the tenant and their alerts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from novaql import Cancellation
from novaql.fast_dataclass import dataclass
from novaql.lazy_exports import lazy_module
from novaql.server.http.json_bytes import json_bytes
from novaql.server.http.request import context_of, unit_for
from novaql.server.http.unit_of_work import in_unit
from novaql.server.prometheus.envelope import success
from novaql.server.prometheus.parameters import Parameters, bad_parameter, read_parameters
from novaql.server.prometheus.selectors import MatcherSets
from novaql.server.query.answer_memory import reserving

if TYPE_CHECKING:
    from novaql.server.alert_rules import alert_store
    from novaql.server.alerts import report
    from novaql.server.alerts.report import GroupReport, RuleReport
    from novaql.server.db.unit import Unit
else:  # of the control plane
    alert_store = lazy_module("novaql.server.alert_rules.alert_store")
    report = lazy_module("novaql.server.alerts.report")

Found = TypeVar("Found")

_COPIES = 6
"""Of the alerts' text: in the database's answer, as objects, as JSON, and copies between them."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Filters of a request; an empty one matches everything."""

    kind: str
    names: frozenset[str]
    groups: frozenset[str]
    files: frozenset[str]
    without_alerts: bool
    matchers: MatcherSets
    limit: int
    token: str


async def rules(request: Request) -> Response:
    """Rule groups with their active alerts, filtered by the parameters."""
    parameters = await read_parameters(request)

    def shown(reports: Sequence[GroupReport]) -> Response:
        return success(json_bytes(_page(reports, _wanted(parameters))))

    return await _with_alerts(request, report.group_reports, shown)


async def alerts(request: Request) -> Response:
    """Active alerts: pending and firing."""

    def shown(active: list[dict[str, Any]]) -> Response:
        return success(json_bytes({"alerts": active}))

    return await _with_alerts(request, report.active_alerts, shown)


async def _with_alerts(
    request: Request, read: Callable[[Unit], Found], shown: Callable[[Found], Response]
) -> Response:
    """Answer with all active alerts of the tenant, in a thread, within the memory of queries."""
    context, octets = context_of(request), await in_unit(request, alert_store.stored_text)

    def run(cancellation: Cancellation) -> Response:
        with reserving(context, cancellation, "the list of alerts") as reserve:
            reserve(_COPIES * octets)
            with unit_for(request, writes=False) as unit:
                found = read(unit)
            return shown(found)

    timeout_s = context.settings.query_timeout_s
    return await context.pools.queries.run(request, run, timeout_s=timeout_s)


async def alertmanagers(request: Request) -> Response:  # noqa: ARG001 - the shape of an endpoint
    """Alertmanagers that alerts are sent to: always empty, this server routes alerts itself."""
    return success(b'{"activeAlertmanagers":[],"droppedAlertmanagers":[]}')


def _wanted(parameters: Parameters) -> _Wanted:
    kind = parameters.text("type").lower()
    if kind not in ("", "alert", "record"):
        raise bad_parameter("type", f'not supported value "{kind}"')
    without_alerts = parameters.flag("exclude_alerts", "error converting exclude_alerts")
    matchers = parameters.matcher_sets()
    limit, token = parameters.text("group_limit"), parameters.text("group_next_token")
    if token and not limit:
        reason = "group_limit needs to be present in order to paginate over the groups"
        raise bad_parameter("group_limit", reason)
    refusal = (
        f'invalid parameter "group_limit": strconv.ParseInt: parsing "{limit}": invalid syntax'
    )
    most = parameters.whole("group_limit", 0, refusal)
    if limit and most <= 0:
        raise bad_parameter("group_limit", "group_limit needs to be greater than 0")
    names, groups, files = (
        frozenset(parameters.all(name)) for name in ("rule_name[]", "rule_group[]", "file[]")
    )
    return _Wanted(kind, names, groups, files, without_alerts, matchers, most, token)


def _page(reports: Sequence[GroupReport], wanted: _Wanted) -> dict[str, Any]:
    """The groups of the page, and the token of the first group of the next page."""
    found: list[dict[str, Any]] = []
    begun = not wanted.token
    for group in reports:
        if not begun:
            if _token(group) != wanted.token:
                continue
            begun = True
        if wanted.groups and group.name not in wanted.groups:
            continue
        if wanted.files and group.file not in wanted.files:
            continue
        rules_ = [
            {**rule.shown, "alerts": None}
            if rule.alerting and wanted.without_alerts
            else rule.shown
            for rule in group.rules
            if _fits(rule, wanted)
        ]
        if not rules_:
            continue  # no rule of the group matches
        if wanted.limit and len(found) == wanted.limit:
            return {"groups": found, "groupNextToken": _token(group)}
        found.append({**group.shown, "rules": rules_})
    if not begun:
        raise bad_parameter("group_next_token", f"there is no group {wanted.token}")
    return {"groups": found}


def _fits(rule: RuleReport, wanted: _Wanted) -> bool:
    if wanted.kind and rule.alerting is not (wanted.kind == "alert"):
        return False
    if wanted.names and rule.name not in wanted.names:
        return False
    return not wanted.matchers or any(
        all(m.matches(rule.labels.get(m.name, "")) for m in matchers)
        for matchers in wanted.matchers
    )


def _token(group: GroupReport) -> str:
    """The token of a group for the URL of the next page, as in Prometheus."""
    text = f"{group.file};{group.name}".encode()
    return hashlib.sha1(text, usedforsecurity=False).hexdigest()
