"""When the server deletes expired rows."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import func, select, update

from novaql.server.db.tables import Event
from novaql.server.jobs.housekeeping import housekeeper
from tests.support.servers.http_server import LocalServer, local_server


def test_expired_rows_are_deleted_a_minute_after_the_start_and_every_ten_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with local_server() as server:
        run = housekeeper(server.context)
        assert _expire_events(server) > 0
        left = [_events(server)]
        for seconds in (59, 1, 599, 1):
            now += seconds
            run()
            left.append(_events(server))
            if seconds == 1:
                _expire_events(server)
    before = left[0]
    assert left == [before, before, 0, before, 0]


def _expire_events(server: LocalServer) -> int:
    body = {"name": f"api-{time.time_ns()}", "owner": "a", "tier": "1"}
    answer = server.client.post("/v1/services", json=body, headers=server.bearer())
    assert answer.status_code == 201, answer.text
    server.run_jobs()
    with server.context.database.write(None) as session:
        long_ago = server.context.clock.now().replace(year=2001)
        session.execute(update(Event).values(at=long_ago))
    return _events(server)


def _events(server: LocalServer) -> int:
    with server.context.database.read(None) as session:
        return session.scalar(select(func.count()).select_from(Event)) or 0
