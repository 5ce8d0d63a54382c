"""/v1/alert-routing/import: a configuration of Alertmanager becomes routing and channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from novaql.server.alerts import telling
from novaql.server.alerts.alertmanager_config import Converted, converted
from novaql.server.alerts.channel_schema import MakeChannel, RoutingShown, SetRouting
from novaql.server.alerts.channels_router import check_channel, new_channel
from novaql.server.alerts.routing_config import channels_in, plan_of, understood
from novaql.server.alerts.routing_router import config_of, save, shown
from novaql.server.alerts.rules_service import check_channels
from novaql.server.platform.calls import Answer, Call, ok, operation
from novaql.server.platform.endpoint import Endpoint
from novaql.server.platform.errors import Conflict, InvalidRequest
from novaql.server.platform.preparing import Preparation
from novaql.server.platform.scopes import Role
from novaql.server.platform.shapes import Body, Shown
from novaql.server.platform.strict_json import validate
from novaql.server.platform.tenant_limits import limit_reached


class ImportRouting(Body):
    """`alertmanager.yml`. Once a routing is set, `version` is that of what is replaced."""

    document: Annotated[str, Field(min_length=1, max_length=900_000)] = Field(
        description="the YAML text, with its secrets"
    )
    version: int | None = Field(None, ge=1, description="or If-Match")
    dry_run: bool = Field(False, description="only tell what would become of it")


class ImportedRouting(Shown):
    """What became of the file."""

    routing: RoutingShown
    created: list[str] = Field(description="channels that were made")
    used: list[str] = Field(description="channels that were there already, and stay as they are")
    missing: dict[str, str] = Field(
        description="channels that could not be made, and why; the routes are without them"
    )
    dropped: list[str] = Field(description="places in the file that have no counterpart here")
    dry_run: bool


def import_routing(call: Call) -> Answer:
    """Take a configuration of Alertmanager in: its tree, inhibition rules and time intervals, and
    a channel for each webhook, Slack and mail integration of its receivers.

    A channel is called as its receiver; those that are there already are used as they are. What
    has no counterpart is told in `dropped`, a channel that cannot be made in `missing`.
    """
    body = call.body(ImportRouting)
    read: _Read = call.prepared
    found, made, missing, routing = read.found, read.made, read.missing, read.routing
    used = [c.name for c in telling.channels_named(call, [*found.channels, *found.problems])]
    if sorted(used) != sorted(read.used):
        raise Conflict("channels were made or removed just now; try again", code="channels_changed")
    check_channels(call, [name for name in read.named if name not in made], "/document/route")
    before, out = None, shown(None, config_of(routing))
    if not body.dry_run:
        for one in made.values():
            new_channel(call, one)
        call.session.flush()
        row, before = save(call, routing)
        out = shown(row)
    call.audit(
        "alert_routing.import",
        ("alert_routing", out.id or "none"),
        before=before,
        after={
            **config_of(routing),
            "channels": {"created": list(made), "used": used, "missing": missing},
            "dry_run": body.dry_run,
        },
    )
    return ok(
        ImportedRouting(
            routing=out,
            created=list(made),
            used=used,
            missing=missing,
            dropped=found.dropped,
            dry_run=body.dry_run,
        )
    )


@dataclass(frozen=True, slots=True)
class _Read:
    """A file that was read, and what can be made of it.

    used    channels that are there already
    named   channels that the tree names
    """

    found: Converted
    used: list[str]
    made: dict[str, MakeChannel]
    missing: dict[str, str]
    routing: SetRouting
    named: list[str]


def prepare_import(asked: Preparation) -> _Read:
    """Read a file, and look up where its channels lead. Raises what is wrong with it."""
    body: ImportRouting = asked.body
    found = converted(body.document)
    with asked.read() as unit:
        rows = telling.channels_named(unit, [*found.channels, *found.problems])
        used = [channel.name for channel in rows]
    made, missing = _makeable(found, used)
    most = asked.context.settings.max_channels
    if 0 < most < len(made):
        what = f"the file makes {len(made)} channels, the tenant may have {most}"
        raise limit_reached("max_channels", what, most, "/document")
    for one in made.values():
        asked.checkpoint()
        check_channel(asked.context, one)
    config = {**found.routing, "route": _without(found.routing["route"], missing)}
    routing = validate(SetRouting, {**config, "version": body.version})
    plan = understood(routing)
    plan_of(config_of(routing))  # kept for who reads it afterwards
    return _Read(found, used, made, missing, routing, list(channels_in(plan.root)))


def _makeable(
    found: Converted, used: Sequence[str]
) -> tuple[dict[str, MakeChannel], dict[str, str]]:
    """Channels that can be made, and why others cannot; neither for those that are there."""
    made: dict[str, MakeChannel] = {}
    missing = {name: why for name, why in found.problems.items() if name not in used}
    for name, fields in found.channels.items():
        if name in used:
            continue
        try:
            made[name] = validate(MakeChannel, fields)
        except InvalidRequest as problem:
            missing[name] = problem.message
    return made, missing


def _without(route: Mapping[str, Any], missing: Mapping[str, str]) -> dict[str, Any]:
    out = dict(route)
    if "channels" in out:
        out["channels"] = [name for name in out["channels"] if name not in missing]
    if "routes" in out:
        out["routes"] = [_without(below, missing) for below in out["routes"]]
    return out


_FILE = """route:
  receiver: ops
  group_by: [alertname]
  routes:
    - matchers: [severity="page"]
      repeat_interval: 1h
receivers:
  - name: ops
    webhook_configs:
      - url: https://192.0.43.8/alerts
"""

ENDPOINTS: tuple[Endpoint, ...] = (
    operation(
        "POST",
        "/v1/alert-routing/import",
        import_routing,
        role=Role.ADMIN,
        tag="alerts",
        action="alert_routing.import",
        body=ImportRouting,
        prepare=prepare_import,
        answer=ImportedRouting,
        example={"document": _FILE, "dry_run": True},
    ),
)
