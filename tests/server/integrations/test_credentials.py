"""Access tokens are refreshed once, sealed at rest, and sealed again with a new key."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from novaql.server.clock import SteppedClock
from novaql.server.crypto.sealing import SealingKeys, new_key
from novaql.server.db.master_keys import reseal
from novaql.server.db.rows import Tenant
from novaql.server.integrations.link import AccountLink
from novaql.server.integrations.providers import provider_named
from novaql.server.jobs.job import as_system
from novaql.server.tenants.context import ServerContext
from tests.support.servers.fake_provider import fake_provider
from tests.support.servers.http_server import local_server
from tests.support.servers.integration_rig import START, IntegrationRig
from tests.support.servers.state_databases import KINDS, another, state_database


@pytest.mark.slow
def test_ten_requests_with_an_expired_token_refresh_it_once(rig: IntegrationRig) -> None:
    rig.connect_oauth()
    rig.clock.step(timedelta(hours=2))
    rig.fake.expire()
    rig.fake.slow_s = 0.3
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: rig.ask("POST", "/fake/test"), range(10)))

    assert [answer.json()["ok"] for answer in answers] == [True] * 10
    assert (rig.fake.refreshes, rig.fake.replays) == (1, 0)


def test_a_rejected_token_is_refreshed_once_before_its_expiry(rig: IntegrationRig) -> None:
    rig.connect_oauth()
    rig.fake.expire()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: rig.ask("POST", "/fake/test"), range(6)))

    assert [answer.json()["ok"] for answer in answers] == [True] * 6
    assert (rig.fake.refreshes, rig.fake.replays) == (1, 0)


def test_a_token_is_refreshed_ahead_of_its_expiry(rig: IntegrationRig) -> None:
    rig.connect_oauth()
    rig.clock.step(timedelta(seconds=3569))
    assert rig.post("/fake/test")["ok"] is True
    assert rig.fake.refreshes == 0
    rig.clock.step(timedelta(seconds=2))
    assert rig.post("/fake/test")["ok"] is True
    assert rig.fake.refreshes == 1


def test_a_refused_refresh_asks_for_a_new_connection_and_deletes_nothing(
    rig: IntegrationRig,
) -> None:
    rig.connect_oauth()
    rig.clock.step(timedelta(hours=2))
    rig.fake.refreshable.clear()
    tested = rig.post("/fake/test")

    assert (tested["ok"], tested["reason_code"]) == (False, "unauthorized")
    assert rig.status() == "reconnect"
    assert rig.row().credentials is not None
    rig.connect_oauth()
    assert rig.status() == "connected"


def test_a_refused_refresh_ends_the_sync_that_waits(rig: IntegrationRig) -> None:
    rig.connect_oauth()
    rig.fake.expire()
    rig.fake.refreshable.clear()
    rig.post("/fake/test")
    assert rig.status() == "reconnect"
    rig.step(1)

    assert [one["status"] for one in rig.get("/fake/syncs")["data"]] == ["cancelled"]
    assert rig.get("/fake/status")["sync_in_progress"] is None


def test_a_provider_that_fails_during_a_refresh_is_no_reason_to_connect_again(
    rig: IntegrationRig,
) -> None:
    rig.connect_oauth()
    rig.clock.step(timedelta(hours=2))
    rig.fake.fail("/token", (500, {}))

    assert rig.post("/fake/test")["reason_code"] == "provider_error"
    assert rig.status() == "connected"
    assert rig.post("/fake/test")["ok"] is True


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_two_connections_to_one_database_refresh_once(kind: str, tmp_path: Path) -> None:
    clock = SteppedClock(START)
    with fake_provider() as fake, state_database(kind, tmp_path) as database:
        chosen: dict[str, Any] = {"egress_allow": "127.0.0.0/8", "integrations_fake_url": fake.url}
        with local_server(clock=clock, database=database, data=tmp_path, **chosen) as server:
            rig = IntegrationRig(server, clock, fake)
            rig.connect_oauth()
            key = rig.row().id
            clock.step(timedelta(hours=2))
            fake.expire()
            fake.slow_s = 0.3
            second = another(database)
            contexts = [server.context, replace(server.context, database=second, views={})]
            names: list[str] = []

            def read(number: int) -> None:
                scoped = scoped_to_first(contexts[number % 2])
                provider = provider_named(scoped.settings, "fake")
                names.append(AccountLink(scoped, provider, key).get("/me").json["name"])

            with ThreadPoolExecutor(10) as pool:
                list(pool.map(read, range(10)))
            second.close()

    assert names == ["Ada"] * 10
    assert (fake.refreshes, fake.replays) == (1, 0)


def scoped_to_first(context: ServerContext) -> ServerContext:
    with context.database.read(None) as session:
        tenant = session.execute(select(Tenant)).scalars().first()
        assert tenant is not None
        session.expunge(tenant)
    return as_system(context, tenant, "test")


@pytest.mark.slow
def test_the_loser_of_a_race_uses_the_token_of_the_winner(rig: IntegrationRig) -> None:
    """Its lease expires while the provider answers; the token that another process has stored
    meanwhile stays."""
    rig.connect_oauth()
    rig.clock.step(timedelta(hours=2))
    rig.fake.expire()
    rig.fake.slow_s = 0.5
    slow = threading.Thread(target=lambda: rig.ask("POST", "/fake/test"))
    slow.start()
    while not rig.fake.of("/token")[1:]:
        pass
    rig.clock.step(timedelta(seconds=61))  # the lease of the first has expired
    second = rig.post("/fake/test")
    slow.join()

    assert second["ok"] is True
    assert rig.status() == "connected"
    assert rig.post("/fake/test")["ok"] is True


def test_nothing_is_stored_or_logged_in_clear(
    rig: IntegrationRig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    rig.connect_oauth()
    rig.post("/fake/test")
    path = Path(str(rig.server.context.database.url.database))
    stored = b"".join(file.read_bytes() for file in path.parent.glob("state.db*"))
    secrets = [*rig.fake.access, *rig.fake.refreshable, rig.fake.of("/token")[0]["code_verifier"]]

    assert len(secrets) > 2
    for secret in secrets:
        assert secret.encode() not in stored
        assert secret not in caplog.text


def test_a_new_master_key_seals_credentials_again_without_reconnecting(
    rig: IntegrationRig,
) -> None:
    rig.connect_oauth()
    rig.post("/fake/connect", {"flow": "oauth"})  # something is pending, too
    context = rig.server.context
    old = rig.row()
    both = SealingKeys([new_key(), context.keys._first])
    assert reseal(context.database, both) >= 2
    fresh = SealingKeys([both._first])
    row = rig.row()

    assert row.credentials != old.credentials
    place = f"{row.tenant_id}:integration:{row.id}"
    assert "access_token" in fresh.unseal(str(row.credentials), purpose=f"{place}:credentials")
    assert "verifier" in fresh.unseal(str(row.pending), purpose=f"{place}:pending")
