"""rules, alerts and alertmanagers: this server evaluates no rules and knows no Alertmanager."""

from __future__ import annotations

import orjson
from starlette.requests import Request
from starlette.responses import Response

from server.prometheus.envelope import success
from server.prometheus.parameters import bad_parameter, go_bool, read_parameters


async def rules(request: Request) -> Response:
    """Groups of rules: none, since the server evaluates none. Parameters are checked even so."""
    parameters = await read_parameters(request)
    kind = parameters.text("type").lower()
    if kind not in ("", "alert", "record"):
        raise bad_parameter("type", f'not supported value "{kind}"')
    without = parameters.text("exclude_alerts")
    if without and go_bool(without) is None:
        reason = f'strconv.ParseBool: parsing "{without}": invalid syntax'
        raise bad_parameter("exclude_alerts", f"error converting exclude_alerts: {reason}")
    parameters.matcher_sets()
    limit, token = parameters.text("group_limit"), parameters.text("group_next_token")
    if token and not limit:
        reason = "group_limit needs to be present in order to paginate over the groups"
        raise bad_parameter("group_limit", reason)
    if limit and parameters.whole("group_limit", 0, _limit_error(limit)) <= 0:
        raise bad_parameter("group_limit", "group_limit needs to be greater than 0")
    if token:
        raise bad_parameter("group_next_token", f"there is no group {token}")
    return success(orjson.dumps({"groups": []}))


async def alerts(request: Request) -> Response:  # noqa: ARG001 - the shape of an endpoint
    """Active alerts: none."""
    return success(b'{"alerts":[]}')


async def alertmanagers(request: Request) -> Response:  # noqa: ARG001 - the shape of an endpoint
    """Alertmanagers that alerts are sent to: none."""
    return success(b'{"activeAlertmanagers":[],"droppedAlertmanagers":[]}')


def _limit_error(text: str) -> str:
    reason = f'strconv.ParseInt: parsing "{text}": invalid syntax'
    return f'invalid parameter "group_limit": {reason}'
