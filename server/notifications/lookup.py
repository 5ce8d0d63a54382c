"""Look-up of a tenant's channels and routing, for rules, alerts and notifications."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import select

from novaql.server.alert_model.rows_by_key import rows_by
from novaql.server.db.tenant_scope import Prepared
from novaql.server.db.unit import Unit
from novaql.server.errors import Detail, Impossible
from novaql.server.notifications.routing import Destination, destinations
from novaql.server.notifications.routing_config import RoutingPlan, plan_of
from novaql.server.notifications.tables import Channel, Routing

_ROUTING = Prepared(select(Routing))


def current_routing(unit: Unit) -> Routing | None:
    """The routing of the tenant, or None."""
    row: Routing | None = _ROUTING.run(unit.session).scalar_one_or_none()
    return row


def routing_plan(unit: Unit) -> RoutingPlan:
    """The plan of the tenant's routing. Without routing, it has no channels."""
    row = current_routing(unit)
    return plan_of(None if row is None else row.config)


def destinations_for(
    plan: RoutingPlan, labels: Mapping[str, str], rule_channels: Sequence[str] = ()
) -> list[Destination]:
    """The destinations of an alert.

    rule_channels  channels that its rule names; they replace those of the tree, and the first node
                   that matches sets groups and intervals
    """
    found = destinations(plan.root, labels)
    if rule_channels:
        own = tuple(dict.fromkeys(rule_channels))
        return [replace(found[0], channels=own, path=f"{found[0].path}@{','.join(own)}")]
    return [one for one in found if one.channels]


def channels_named(unit: Unit, names: Iterable[str]) -> list[Channel]:
    """The existing channels with these names, in their order."""
    wanted = list(dict.fromkeys(names))
    by_name = {row.name: row for row in rows_by(unit, Channel.name, wanted)}
    return [by_name[name] for name in wanted if name in by_name]


def mail_channel(unit: Unit) -> Channel | None:
    """The oldest channel of type `email`: pages by mail use its mail server. None: no mail."""
    statement = select(Channel).where(Channel.type == "email")
    oldest = statement.order_by(Channel.created_at, Channel.id).limit(1)
    found: Channel | None = unit.session.execute(oldest).scalar_one_or_none()
    return found


def check_channels(unit: Unit, names: Iterable[str], pointer: str, *, hold: bool = True) -> None:
    """Raise `Impossible` for a channel that does not exist.

    hold  none of the channels can be deleted before the unit ends
    """
    wanted = list(dict.fromkeys(names))
    found = select(Channel.name).where(Channel.name.in_(wanted)).order_by(Channel.name)
    found = found.with_for_update(read=True) if hold else found
    known = set(unit.session.execute(found).scalars())
    unknown = [name for name in wanted if name not in known]
    if unknown:
        message = f"there is no notification channel {unknown[0]!r}"
        raise Impossible(message, code="unknown_channel", details=[Detail(pointer, message)])
