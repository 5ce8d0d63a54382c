"""Sessions of browsers: what the cookie opens, what it does not, and when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, text

from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock, SystemClock
from novaql.server.db.tables import AuditEntry, BrowserSession
from novaql.server.history import RETENTIONS
from novaql.server.jobs.housekeeping import forget
from novaql.server.sessions import service
from tests.support.servers.at_once import beside_unit
from tests.support.servers.http_server import LocalServer, local_server
from tests.support.servers.state_databases import KINDS, state_database

SERVICE = {"name": "api", "owner": "team", "tier": "tier1"}


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(SystemClock().now())


@pytest.fixture
def server(clock: SteppedClock) -> Iterator[LocalServer]:
    with local_server(clock=clock) as made:
        yield made


def opened(server: LocalServer, token: str, **headers: str) -> tuple[str, httpx.Response]:
    """The cookie of a new session, as a header, and the answer."""
    answer = server.client.post(
        "/v1/session", headers={"Authorization": f"Bearer {token}", **headers}
    )
    assert answer.status_code == 201, answer.text
    return answer.headers["set-cookie"].partition(";")[0], answer


def by(
    server: LocalServer, cookie: str, method: str, path: str, body: Any = None
) -> httpx.Response:
    """A request of the server's own page."""
    headers = {"Cookie": cookie, "Origin": str(server.client.base_url).rstrip("/")}
    return server.client.request(method, path, json=body, headers=headers)


def test_a_session_has_the_user_the_tenant_and_the_role_of_its_token(server: LocalServer) -> None:
    cookie, answer = opened(server, server.tokens[Role.OPERATOR])
    told = by(server, cookie, "GET", "/v1/session").json()

    assert told == answer.json()
    assert (told["user"], told["role"]) == ("ada@example.com", "operator")
    assert told["session"]["id"].startswith("ses_")
    assert by(server, cookie, "POST", "/v1/services", SERVICE).status_code == 201
    assert by(server, cookie, "GET", "/v1/tokens").status_code == 403
    assert by(server, cookie, "GET", "/prometheus/api/v1/labels").status_code == 200


def test_a_token_gets_its_owner_without_a_session(server: LocalServer) -> None:
    answer = server.client.get("/v1/session", headers=server.bearer(Role.READ_ONLY))
    assert (answer.json()["role"], answer.json()["session"]) == ("read_only", None)
    assert server.client.get("/v1/session").status_code == 401


def test_the_cookie_is_for_this_server_alone(server: LocalServer) -> None:
    _, answer = opened(server, server.tokens[Role.ADMIN])
    cookie = answer.headers["set-cookie"]
    port = server.client.base_url.port
    assert cookie.startswith(f"novaql_session_{port}=nova_session_")
    assert {part.strip().lower() for part in cookie.split(";")[1:]} >= {
        "httponly",
        "samesite=strict",
        "path=/",
    }
    assert "secure" not in cookie.lower()
    assert "nova_" not in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_the_cookie_is_secure_where_the_browser_speaks_https() -> None:
    with local_server(public_url="https://metrics.example") as server:
        _, answer = opened(server, server.tokens[Role.ADMIN], Origin="https://metrics.example")
        assert "; secure" in answer.headers["set-cookie"].lower()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),  # no page has sent it
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),  # another port of this host
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
    ],
)
def test_only_a_page_of_this_server_changes_something(
    server: LocalServer, headers: dict[str, str], status: int
) -> None:
    cookie, _ = opened(server, server.tokens[Role.ADMIN])
    answer = server.client.post("/v1/services", json=SERVICE, headers={"Cookie": cookie, **headers})
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["error"]["code"] == "foreign_origin"


def test_the_secret_of_a_cookie_is_no_token_and_a_token_no_cookie(server: LocalServer) -> None:
    cookie, _ = opened(server, server.tokens[Role.ADMIN])
    name, _, secret = cookie.partition("=")
    bearer = {"Authorization": f"Bearer {secret}"}
    assert server.client.get("/v1/session", headers=bearer).status_code == 401
    swapped = {"Cookie": f"{name}={server.tokens[Role.ADMIN]}"}
    assert server.client.get("/v1/session", headers=swapped).status_code == 401
    forged = {"Cookie": cookie[:-1] + ("0" if cookie[-1] != "0" else "1")}
    assert server.client.get("/v1/session", headers=forged).status_code == 401


def test_a_session_opens_no_session(server: LocalServer) -> None:
    cookie, _ = opened(server, server.tokens[Role.ADMIN])
    answer = by(server, cookie, "POST", "/v1/session")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "token_needed")


def test_a_server_without_tokens_has_no_sessions() -> None:
    with local_server(auth=False) as server:
        answer = server.client.post("/v1/session")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_tokens")
        assert server.client.get("/v1/session").json()["session"] is None


def test_signing_out_ends_it_and_is_audited(server: LocalServer) -> None:
    cookie, answer = opened(server, server.tokens[Role.READ_ONLY])
    other, _ = opened(server, server.tokens[Role.READ_ONLY])
    ended = by(server, cookie, "DELETE", "/v1/session")

    assert ended.status_code == 204
    assert "Max-Age=0" in ended.headers["set-cookie"]
    assert by(server, cookie, "GET", "/v1/session").status_code == 401
    assert by(server, other, "GET", "/v1/session").status_code == 200
    key = answer.json()["session"]["id"]
    with server.context.database.read(None) as session:
        entries = list(
            session.execute(
                select(AuditEntry).where(AuditEntry.target_id == key).order_by(AuditEntry.id)
            ).scalars()
        )
    assert [entry.action for entry in entries] == ["session.create", "session.delete"]
    assert {entry.actor_name for entry in entries} == {"ada@example.com"}


def test_a_browser_has_one_session(server: LocalServer) -> None:
    first, _ = opened(server, server.tokens[Role.READ_ONLY])
    second, _ = opened(server, server.tokens[Role.ADMIN], Cookie=first)
    assert by(server, first, "GET", "/v1/session").status_code == 401
    assert by(server, second, "GET", "/v1/session").json()["role"] == "admin"


def test_programs_that_use_a_quota_up_keep_no_person_out() -> None:
    with local_server(rate_per_minute=1, rate_per_day=1) as server:
        bearer = server.bearer(Role.READ_ONLY)
        codes = [server.client.get("/v1/services", headers=bearer).status_code for _ in range(2)]
        assert codes == [200, 429]
        cookie, _ = opened(server, server.tokens[Role.READ_ONLY])
        assert by(server, cookie, "GET", "/v1/services").status_code == 200


def test_a_token_ends_all_its_sessions(server: LocalServer) -> None:
    cookies = [opened(server, server.tokens[Role.OPERATOR])[0] for _ in range(2)]
    other, _ = opened(server, server.tokens[Role.ADMIN])
    bearer = server.bearer(Role.OPERATOR)
    assert server.client.delete("/v1/session", headers=bearer).status_code == 204
    assert server.client.delete("/v1/session", headers=bearer).status_code == 204
    codes = [by(server, one, "GET", "/v1/session").status_code for one in (*cookies, other)]
    assert codes == [401, 401, 200]


def fresh_token(server: LocalServer, **fields: str) -> dict[str, Any]:
    body = {"name": "mine", "role": "read_only", **fields}
    made: dict[str, Any] = server.client.post(
        "/v1/tokens", json=body, headers=server.bearer()
    ).json()
    return made


def test_it_ends_with_its_token(server: LocalServer) -> None:
    token = fresh_token(server)
    cookie, _ = opened(server, token["token"])
    path = f"/v1/tokens/{token['id']}"
    assert server.client.delete(path, headers=server.bearer()).status_code == 204
    assert by(server, cookie, "GET", "/v1/session").status_code == 401


def test_it_ends_with_its_secret_an_hour_after_a_rotation(
    server: LocalServer, clock: SteppedClock
) -> None:
    token = fresh_token(server)
    cookie, _ = opened(server, token["token"])
    path = f"/v1/tokens/{token['id']}/rotate"
    rotated = server.client.post(path, headers=server.bearer()).json()
    fresh, _ = opened(server, rotated["token"])
    assert by(server, cookie, "GET", "/v1/session").status_code == 200
    clock.step(timedelta(minutes=61))
    assert by(server, cookie, "GET", "/v1/session").status_code == 401
    assert by(server, fresh, "GET", "/v1/session").status_code == 200


def test_it_ends_with_its_user(server: LocalServer) -> None:
    invite = {"email": "eve@example.com", "role": "operator"}
    made = server.client.post("/v1/users", json=invite, headers=server.bearer()).json()
    joined = server.client.post(
        "/v1/invitations/accept", json={"token": made["invitation_token"]}
    ).json()
    cookie, _ = opened(server, joined["token"])
    assert by(server, cookie, "GET", "/v1/session").json()["user"] == "eve@example.com"
    path = f"/v1/users/{made['id']}"
    assert server.client.delete(path, headers=server.bearer()).status_code == 204
    assert by(server, cookie, "GET", "/v1/session").status_code == 401


def test_it_ends_with_time_and_its_row_goes(server: LocalServer, clock: SteppedClock) -> None:
    cookie, answer = opened(server, server.tokens[Role.ADMIN])
    expires = answer.headers["set-cookie"].lower()
    assert "expires=" in expires
    clock.step(timedelta(days=7) - timedelta(seconds=1))
    assert by(server, cookie, "GET", "/v1/session").status_code == 200
    clock.step(timedelta(seconds=1))
    assert by(server, cookie, "GET", "/v1/session").status_code == 401
    forget(server.context, RETENTIONS)
    with server.context.database.read(None) as session:
        assert session.execute(select(func.count()).select_from(BrowserSession)).scalar_one() == 0


def test_rows_go_with_the_row_of_their_token(server: LocalServer) -> None:
    opened(server, server.tokens[Role.READ_ONLY])
    with server.context.database.write(None) as session:
        session.execute(text("DELETE FROM tokens WHERE name = 'read_only'"))
        assert session.execute(select(func.count()).select_from(BrowserSession)).scalar_one() == 0


def test_the_database_has_no_secret(server: LocalServer) -> None:
    cookie, _ = opened(server, server.tokens[Role.ADMIN])
    secret = cookie.partition("=")[2]
    with server.context.database.read(None) as session:
        rows = session.execute(text("SELECT * FROM sessions")).all()
        entries = session.execute(text("SELECT * FROM audit_entries")).all()
    assert len(rows) == 1
    assert secret not in str(rows) + str(entries)
    assert server.tokens[Role.ADMIN] not in str(rows) + str(entries)


def test_its_requests_have_a_quota_of_their_own(clock: SteppedClock) -> None:
    with local_server(
        clock=clock, rate_per_minute=3, rate_per_day=4, session_per_minute=5
    ) as server:
        token = server.tokens[Role.READ_ONLY]
        cookie, _ = opened(server, token)
        bearer = server.bearer(Role.READ_ONLY)
        codes = [by(server, cookie, "GET", "/v1/services").status_code for _ in range(6)]
        last = by(server, cookie, "GET", "/v1/services")
        assert codes == [200] * 4 + [429] * 2
        assert '"session";q=5;w=60' in last.headers["ratelimit-policy"]
        assert int(last.headers["retry-after"]) >= 1
        own = [server.client.get("/v1/services", headers=bearer).status_code for _ in range(4)]
        assert own == [200, 200, 200, 429]
        clock.step(timedelta(seconds=61))
        assert by(server, cookie, "GET", "/v1/services").status_code == 200


def test_sessions_of_one_token_share_the_quota() -> None:
    with local_server(session_per_minute=6) as server:
        cookies = [opened(server, server.tokens[Role.READ_ONLY])[0] for _ in range(2)]
        codes = [by(server, cookies[n % 2], "GET", "/v1/services").status_code for n in range(5)]
        assert codes == [200] * 4 + [429]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_ended_twice_at_once(kind: str, tmp_path: Path) -> None:
    with state_database(kind, tmp_path) as database, local_server(database=database) as server:
        bearer = server.bearer(Role.OPERATOR)
        opened(server, server.tokens[Role.OPERATOR])
        accounts = server.context.access.accounts
        caller = None if accounts is None else accounts.find(server.tokens[Role.OPERATOR])
        assert caller is not None
        answer = beside_unit(
            server,
            lambda unit: service.end(unit, caller),
            lambda: server.client.delete("/v1/session", headers=bearer),
        )

        assert answer.status_code == 204, answer.text
