"""Whom a request comes from: what proxies say, and who may say it."""

from __future__ import annotations

from typing import Any

import pytest

from novaql.server.addresses import parse_networks
from novaql.server.process.proxies import TrustedProxies
from tests.support.servers.http_server import LocalServer, local_server
from tests.support.servers.raw_http import connected, until_closed

TRUSTED = TrustedProxies(parse_networks("10.0.0.0/8, 2001:db8:1::/48"))


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ([], "10.0.0.1"),
        (["203.0.113.7"], "203.0.113.7"),
        (["1.1.1.1, 203.0.113.7"], "203.0.113.7"),
        (["1.1.1.1, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        (["1.1.1.1", "203.0.113.7", "10.0.0.2"], "203.0.113.7"),
        (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        (["203.0.113.7:4711"], "203.0.113.7"),
        (["[2001:db8:2::7]:4711"], "2001:db8:2::7"),
        (["2001:DB8:2::7"], "2001:db8:2::7"),
        (["::ffff:203.0.113.7"], "203.0.113.7"),
        (["1.1.1.1, 2001:db8:1::5"], "1.1.1.1"),
        (["unknown"], "10.0.0.1"),
        (["1.1.1.1, unknown, 10.0.0.2"], "10.0.0.2"),
        (["1.1.1.1, , 10.0.0.2"], "10.0.0.2"),
        ([""], "10.0.0.1"),
        (["<script>"], "10.0.0.1"),
        (["\xff\xfe"], "10.0.0.1"),
        (["a" * 10_000], "10.0.0.1"),
        (["10.0.0.2," * 5000], "10.0.0.1"),
        (["127.0.0.1.evil.example"], "10.0.0.1"),
    ],
)
def test_the_first_that_is_no_proxy_is_the_client(forwarded: list[str], client: str) -> None:
    lines = [line.encode("latin-1") for line in forwarded]
    assert TRUSTED.client_of("10.0.0.1", lines) == client


def audited_from(server: LocalServer, **headers: str) -> Any:
    """The address that the audit log has for a request."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {"name": "x", "role": "read_only"}
    made = server.client.post("/v1/tokens", json=body, headers=server.bearer() | named)
    assert made.status_code == 201
    listed = server.client.get("/v1/audit", headers=server.bearer()).json()["data"]
    wanted = made.headers["x-request-id"]
    (entry,) = [one for one in listed if one["request_id"] == wanted]
    return entry["ip"]


@pytest.mark.slow
def test_nobody_is_believed_unless_a_setting_says_so() -> None:
    with local_server() as server:
        assert audited_from(server, X_Forwarded_For="203.0.113.7") == "127.0.0.1"
    with local_server(trusted_proxies="10.0.0.0/8") as server:
        assert audited_from(server, X_Forwarded_For="203.0.113.7") == "127.0.0.1"
    with local_server(trusted_proxies="127.0.0.0/8") as server:
        assert audited_from(server, X_Forwarded_For="1.1.1.1, 203.0.113.7") == "203.0.113.7"
        assert audited_from(server, X_Forwarded_For="nonsense") == "127.0.0.1"
        assert audited_from(server) == "127.0.0.1"


def test_strangers_are_counted_by_the_address_that_a_proxy_names() -> None:
    with local_server(trusted_proxies="127.0.0.1", auth_failures_per_minute=2) as server:

        def status(client: str) -> int:
            headers = {"X-Forwarded-For": f"9.9.9.9, {client}"}
            return server.client.get("/v1/tokens", headers=headers).status_code

        assert [status("203.0.113.7") for _ in range(3)] == [401, 401, 429]
        assert status("203.0.113.8") == 401
    with local_server(auth_failures_per_minute=2) as server:
        answers = [
            server.client.get("/v1/tokens", headers={"X-Forwarded-For": f"1.1.1.{n}"}).status_code
            for n in range(3)
        ]
        assert answers == [401, 401, 429]


def test_scheme_and_host_come_from_trusted_proxies_alone() -> None:
    given = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "nova.example.com"}

    def location(server: LocalServer, headers: dict[str, str]) -> str:
        answer = server.client.get("/scim/v2/Schemas", headers=server.bearer() | headers)
        return str(answer.json()["Resources"][0]["meta"]["location"])

    with local_server(trusted_proxies="127.0.0.1") as server:
        assert location(server, given).startswith("https://nova.example.com/")
        broken = {"X-Forwarded-Proto": "gopher", "X-Forwarded-Host": "a b/c"}
        assert location(server, broken).startswith("http://127.0.0.1:")
    with local_server() as server:
        assert location(server, given).startswith("http://127.0.0.1:")


def test_a_proxy_has_no_limit_of_its_own_and_its_clients_have() -> None:
    settings: dict[str, Any] = {"trusted_proxies": "127.0.0.1", "max_connections_per_address": 2}
    with local_server(**settings) as server:
        url = str(server.client.base_url)
        head = (
            "POST /v1/novaql HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Authorization: {server.bearer()['Authorization']}\r\n"
            "Content-Type: application/json\r\nContent-Length: 13\r\nX-Forwarded-For: {}\r\n\r\n"
        )
        waiting = [connected(url) for _ in range(6)]
        for number, connection in enumerate(waiting):
            connection.sendall(head.format(f"203.0.113.{number // 3}").encode())
        answers = [until_closed(waiting[2]), until_closed(waiting[5])]
        assert [answer[9:12] for answer in answers] == [b"503", b"503"]
        for number in (0, 1, 3, 4):
            waiting[number].sendall(b'{"query":"1"}')
            assert until_closed(waiting[number]).startswith(b"HTTP/1.1 200 ")
        for connection in waiting:
            connection.close()
