"""Master keys: every sealed value is sealed anew, and a start without the right key says so."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from novaql.errors import ArgumentError
from novaql.server.auth.bootstrap import ensure_first_tenant
from novaql.server.auth.roles import Role
from novaql.server.clock import SystemClock
from novaql.server.crypto.sealing import SealingKeys, key_id
from novaql.server.db.engine import StateDatabase
from novaql.server.db.master_keys import key_file, open_keys, reseal, rotate_key_file
from novaql.server.settings import Settings
from tests.support.servers.http_server import LocalServer, local_server
from tests.support.servers.state_databases import KINDS, state_database

OLD, NEW, OTHER = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2, 3))


def ident(key: str) -> str:
    return key_id(base64.b64decode(key))


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateDatabase]:
    with state_database(request.param, tmp_path) as made:
        yield made


def sealed_values(database: StateDatabase) -> dict[str, str]:
    """Every sealed text of every table: where it is, and the id of its key."""
    found = {}
    with database.engine.connect() as connection:
        for table in inspect(connection).get_table_names():
            for row in connection.execute(text(f'SELECT * FROM "{table}"')).mappings():
                for column, value in row.items():
                    if isinstance(value, str) and value.startswith("v1."):
                        place = f"{table}.{column} {row.get('id', row.get('name'))}"
                        found[place] = value.split(".")[1]
    return found


def use_secrets(server: LocalServer) -> None:
    """One of everything that is sealed."""
    admin = server.bearer(Role.ADMIN)
    hook = {"url": "https://192.0.43.8/x", "events": ["incident.*"]}
    made = server.client.post(
        "/v1/webhooks", json=hook, headers=admin | {"Idempotency-Key": "first"}
    )
    assert made.status_code == 201, made.text
    path = f"/v1/webhooks/{made.json()['id']}/rotate-secret"
    assert server.client.post(path, headers=admin).status_code == 200
    told = {"url": "https://192.0.43.8/y", "bearer_token": "t0"}
    channel = {"name": "ops", "type": "webhook", "webhook": told}
    answer = server.client.post("/v1/notification-channels", json=channel, headers=admin)
    assert answer.status_code == 201, answer.text


def test_every_sealed_value_is_sealed_anew(database: StateDatabase) -> None:
    with local_server(database=database, master_key=OLD) as server:
        use_secrets(server)
        before = sealed_values(database)
        assert set(before.values()) == {ident(OLD)}
        columns = {place.split()[0] for place in before}
        expected = {"idempotency_keys.body", "webhooks.secret", "webhooks.previous_secret"}
        expected |= {"webhooks.url", "notification_channels.url", "notification_channels.sealed"}
        assert expected <= columns
        keys = open_keys(Settings(data=Path("unused"), master_key=f"{NEW},{OLD}"), database)
        after = sealed_values(database)
    assert before.keys() == after.keys()
    assert set(after.values()) == {ident(NEW)}
    assert reseal(database, keys) == 0


@pytest.mark.slow
def test_what_was_sealed_before_a_rotation_is_used_after_it(tmp_path: Path) -> None:
    with state_database("sqlite", tmp_path) as database:
        with local_server(database=database, master_key=OLD) as server:
            admin = server.bearer(Role.ADMIN) | {"Idempotency-Key": "k1"}
            hook = {"url": "https://192.0.43.8/x", "events": ["incident.*"]}
            first = server.client.post("/v1/webhooks", json=hook, headers=admin)
        again = StateDatabase(database.url, durable=False)
        open_keys(Settings(data=tmp_path, master_key=f"{NEW},{OLD}"), again)
        with local_server(database=again, master_key=NEW) as server:
            replay = server.client.post("/v1/webhooks", json=hook, headers=admin)
            assert replay.headers["Idempotent-Replayed"] == "true"
            assert replay.json() == first.json()


def test_a_key_file_is_rotated_and_any_step_may_be_the_last(tmp_path: Path) -> None:
    with state_database("sqlite", tmp_path) as database:
        settings = Settings(data=tmp_path)
        tenant = ensure_first_tenant(database, SystemClock()).id
        keys = open_keys(settings, database)
        path = key_file(settings, database)
        first = path.read_text().strip()
        with database.write(None) as session:
            sealed = keys.seal("s3cret", purpose=f"{tenant}:idempotency:idem_1")
            session.execute(
                text(
                    "INSERT INTO idempotency_keys (id, tenant_id, principal_id, route, key, "
                    "fingerprint, created_at, status, headers, body) VALUES "
                    "('idem_1', :tenant, 'p', 'r', 'k', 'f', 1, 200, '{}', :sealed)"
                ),
                {"tenant": tenant, "sealed": sealed},
            )
        assert rotate_key_file(settings, database) == 1
        second = path.read_text().strip()
        assert second != first
        assert "," not in second
        assert oct(path.stat().st_mode & 0o777) == "0o600"
        assert set(sealed_values(database).values()) == {ident(second)}
        # Killed after the new key was written: the next start completes it.
        path.write_text(f"{NEW},{second}\n")
        now = open_keys(settings, database)
        assert set(sealed_values(database).values()) == {ident(NEW)}
        with database.read(None) as session:
            value = session.execute(text("SELECT body FROM idempotency_keys")).scalar_one()
        assert now.unseal(value, purpose=f"{tenant}:idempotency:idem_1") == "s3cret"


def test_a_wrong_key_stops_the_start(database: StateDatabase, tmp_path: Path) -> None:
    open_keys(Settings(data=tmp_path, master_key=OLD), database)
    with pytest.raises(ArgumentError, match=r"another key .* start with that one, or with both"):
        open_keys(Settings(data=tmp_path, master_key=OTHER), database)
    open_keys(Settings(data=tmp_path, master_key=f"{OTHER},{OLD}"), database)


def test_a_value_of_an_unknown_key_is_no_rotation(tmp_path: Path) -> None:
    with state_database("sqlite", tmp_path) as database:
        tenant = ensure_first_tenant(database, SystemClock()).id
        open_keys(Settings(data=tmp_path, master_key=OLD), database)
        strange = SealingKeys([bytes([9]) * 32]).seal("x", purpose=f"{tenant}:idempotency:i")
        with database.write(None) as session:
            session.execute(
                text(
                    "INSERT INTO idempotency_keys (id, tenant_id, principal_id, route, key, "
                    "fingerprint, created_at, status, headers, body) VALUES "
                    "('i', :tenant, 'p', 'r', 'k', 'f', 1, 200, '{}', :sealed)"
                ),
                {"tenant": tenant, "sealed": strange},
            )
        with pytest.raises(ArgumentError, match=r"idempotency_keys.body of i"):
            open_keys(Settings(data=tmp_path, master_key=f"{NEW},{OLD}"), database)


@pytest.mark.parametrize("damage", ["lost", "cut", "empty", "other"])
def test_a_damaged_key_file_is_said_with_the_way_back(tmp_path: Path, damage: str) -> None:
    with state_database("sqlite", tmp_path) as database:
        settings = Settings(data=tmp_path)
        open_keys(settings, database)
        path = key_file(settings, database)
        whole = path.read_bytes()
        if damage == "lost":
            path.unlink()
        else:
            other = base64.b64encode(os.urandom(32))
            path.write_bytes({"cut": whole[:20], "empty": b"", "other": other}[damage])
        with pytest.raises(ArgumentError) as caught:
            open_keys(settings, database)
        assert "novaql serve --no-auth" in str(caught.value)
        assert str(path) in str(caught.value)
        assert damage != "lost" or not path.exists()  # no new key in place of the lost one
        path.write_bytes(whole)
        open_keys(settings, database)
