"""Import of a configuration of Alertmanager: /v1/alert-routing/import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from novaql.fast_dataclass import dataclass
from novaql.server.db.tenant_limits import limit_reached
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, InvalidRequest
from novaql.server.http.preparing import Preparation
from novaql.server.http.strict_json import validate
from novaql.server.notifications import channels_service
from novaql.server.notifications.alertmanager_config import Converted, converted
from novaql.server.notifications.lookup import channels_named, check_channels
from novaql.server.notifications.routing_config import channels_in, check_zones, plan_of
from novaql.server.notifications.routing_service import config_of, save, shown
from novaql.server.notifications.schema import (
    ImportedRouting,
    ImportRouting,
    MakeChannel,
    SetRouting,
)


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """A configuration of Alertmanager, and the channels that it needs.

    used     existing channels
    made     channels to create
    missing  channels that cannot be created, with the reason
    named    channels that the tree names
    """

    found: Converted
    used: list[str]
    made: dict[str, MakeChannel]
    missing: dict[str, str]
    routing: SetRouting
    named: list[str]


def import_file(
    unit: Unit, file: ParsedFile, seen: int | None, *, dry_run: bool
) -> ImportedRouting:
    """Create the channels and the routing of a file. `seen` is the version of If-Match.

    dry_run  change nothing, and return what an import would do
    """
    found, made, missing, routing = file.found, file.made, file.missing, file.routing
    used = [c.name for c in channels_named(unit, [*found.channels, *found.problems])]
    if sorted(used) != sorted(file.used):
        raise Conflict("channels were made or removed just now; try again", code="channels_changed")
    check_channels(unit, [name for name in file.named if name not in made], "/document/route")
    before, out = None, shown(None, config_of(routing))
    if not dry_run:
        for one in made.values():
            channels_service.create(unit, one)
        unit.session.flush()
        row, before = save(unit, routing, seen)
        out = shown(row)
    channels = {"created": list(made), "used": used, "missing": missing}
    unit.audit(
        "alert_routing.import",
        ("alert_routing", out.id or "none"),
        before=before,
        after={**config_of(routing), "channels": channels, "dry_run": dry_run},
    )
    return ImportedRouting.model_validate(
        {"routing": out, **channels, "dropped": found.dropped, "dry_run": dry_run}
    )


def parse(preparation: Preparation) -> ParsedFile:
    """Parse a file, and check the targets of its channels. Raises if it is invalid."""
    body: ImportRouting = preparation.body
    found = converted(body.document)
    with preparation.read() as unit:
        rows = channels_named(unit, [*found.channels, *found.problems])
        used = [channel.name for channel in rows]
    made, missing = _makeable(found, used)
    most = preparation.context.settings.max_channels
    if 0 < most < len(made):
        what = f"the file makes {len(made)} channels, the tenant may have {most}"
        raise limit_reached("max_channels", what, most, "/document")
    for one in made.values():
        preparation.checkpoint()
        channels_service.check_targets(preparation.context, one)
    config = {**found.routing, "route": _without(found.routing["route"], missing)}
    routing = validate(SetRouting, {**config, "version": body.version})
    check_zones(routing)
    plan = plan_of(config_of(routing))
    return ParsedFile(found, used, made, missing, routing, list(channels_in(plan.root)))


def _makeable(
    found: Converted, used: Sequence[str]
) -> tuple[dict[str, MakeChannel], dict[str, str]]:
    """Channels to create, and the reasons why others cannot be created. Skips existing channels."""
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
