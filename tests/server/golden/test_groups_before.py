"""Groups of alerts of an earlier version, whose column of last notifications had another name."""

from __future__ import annotations

from alembic import command
from sqlalchemy import inspect

from novaql.server.clock import SteppedClock
from novaql.server.db.engine import StateDatabase
from novaql.server.db.migrate import configuration, migrate
from novaql.server.ids import new_id
from novaql.server.notifications.tables import NotificationGroup
from tests.support.servers.http_server import LocalServer


def columns(database: StateDatabase) -> set[str]:
    found = inspect(database.engine).get_columns("notification_groups")
    return {column["name"] for column in found}


def test_a_group_has_its_notifications_after_the_migration_and_on_the_way_back(
    served: LocalServer, clock: SteppedClock, database: StateDatabase
) -> None:
    tenant = served.context.access.default_principal.tenant_id
    group_id, notified = new_id("grp"), {"log": {"at": "x", "firing": ["a"], "resolved": []}}
    with database.write(tenant) as session:
        session.add(
            NotificationGroup(
                id=group_id,
                created_at=clock.now(),
                destination={},
                labels={},
                notified=notified,
                next_flush=clock.now(),
            )
        )
    now = columns(database)

    config = configuration()
    with database.engine.execution_options(immediate=True).begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "alerts_0004")
    before = columns(database)
    migrate(database)

    assert before - now == {"told"}
    assert columns(database) == now
    with database.read(tenant) as session:
        assert session.get_one(NotificationGroup, group_id).notified == notified
