"""Requests that a page of another site makes in somebody's browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import httpx
import pytest

from novaql.server.auth.roles import Role
from novaql.server.errors import Forbidden
from novaql.server.http.site import Site
from novaql.server.settings import Settings
from tests.support.servers.http_server import LocalServer, local_server
from tests.support.servers.raw_http import answer_to

EVERYWHERE = "0.0.0.0"
PUBLIC = "https://nova.example.com"
DELETE = "/api/v1/admin/tsdb/delete_series"
FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://nova.example.com"},
    {"Origin": "https://nova.example.com:8443"},
    {"Origin": "https://nova.example.com.evil.example"},
    {"Origin": "http://localhost:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "Cross-Site", "Origin": PUBLIC},
]


@pytest.fixture(scope="module")
def open_server() -> Iterator[LocalServer]:
    """Without authentication."""
    with local_server(auth=False, public_url=PUBLIC) as made:
        yield made


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with local_server(public_url=PUBLIC) as made:
        yield made


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_form_of_another_site_deletes_nothing(
    open_server: LocalServer, headers: dict[str, str]
) -> None:
    open_server.client.post("/api/v1/import/prometheus", content="kept 1\n").raise_for_status()
    form = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    refused = open_server.client.post(DELETE, content="match[]=kept", headers=form)
    assert refused.status_code == 403
    assert refused.json()["errorType"] == "forbidden"
    found = open_server.client.get("/api/v1/query", params={"query": "count_over_time(kept[1h])"})
    assert len(found.json()["data"]["result"]) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("headers", FOREIGN[:2] + FOREIGN[7:9])
def test_no_method_that_writes_is_open_to_other_sites(
    server: LocalServer, method: str, headers: dict[str, str]
) -> None:
    for path in ("/v1/tokens", "/v1/nothing", "/scim/v2/Users", "/"):
        answer = server.client.request(method, path, headers=server.bearer() | headers)
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]
    envelope = server.client.request(method, "/v1/tokens", headers=headers).json()
    assert envelope["error"]["code"] == "foreign_origin"


def test_own_pages_and_programs_pass(server: LocalServer) -> None:
    own = str(server.client.base_url)
    for headers in (
        {},
        {"Origin": own},
        {
            "Origin": own.replace("127.0.0.1", "localhost"),
            "Host": own[7:].replace("127.0.0.1", "localhost"),
        },
        {"Origin": PUBLIC},
        {"Origin": "https://NOVA.example.com:443"},
        {"Origin": own, "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ):
        body = {"query": "1"}
        asked = server.client.post("/v1/novaql", json=body, headers=server.bearer() | headers)
        assert asked.status_code == 200, (headers, asked.text)


def test_reading_is_left_to_the_browser_s_own_rule(server: LocalServer) -> None:
    headers = server.bearer(Role.READ_ONLY) | {"Origin": "https://evil.example"}
    answer = server.client.get("/v1/tokens", headers=server.bearer() | headers)
    assert answer.status_code in (200, 403)
    assert server.client.get("/healthz", headers=headers).status_code == 200
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9490", "", "127.0.0.1.nip.io"])
def test_without_authentication_only_known_hosts_are_served(
    open_server: LocalServer, host: str
) -> None:
    for method in ("GET", "HEAD", "POST"):
        answer = open_server.client.request(method, "/api/v1/labels", headers={"Host": host})
        assert answer.status_code == 403
    for good in ("localhost", "127.0.0.1:1", "[::1]:9490", "nova.example.com", "NOVA.example.com"):
        answer = open_server.client.get("/api/v1/labels", headers={"Host": good})
        assert answer.status_code == 200, good


@pytest.mark.parametrize(
    ("listening", "asked", "origin", "own"),
    [
        ("127.0.0.1", "localhost:9490", "http://127.0.0.1:9490", True),
        ("127.0.0.1", "127.0.0.1:9490", "http://localhost:9490", True),
        ("127.0.0.1", "127.0.0.1:9490", "http://localhost:3000", False),
        ("127.0.0.1", "127.0.0.1:9490", "https://127.0.0.1:9490", False),
        ("10.0.0.5", "10.0.0.5:9490", "http://10.0.0.5:9490", True),
        ("10.0.0.5", "10.0.0.5:9490", "http://10.0.0.6:9490", False),
        (EVERYWHERE, "10.0.0.5:9490", "http://10.0.0.5:9490", True),
        (EVERYWHERE, "10.0.0.5:9490", "http://10.0.0.6:9490", False),
        (EVERYWHERE, "localhost:8080", "http://localhost:8080", True),
        ("::", "[fd00::5]:9490", "http://[fd00::5]:9490", True),
        (EVERYWHERE, "nova.lan:9490", "http://nova.lan:9490", False),
    ],
)
def test_listening_addresses_are_own_origins(
    listening: str, asked: str, origin: str, own: bool
) -> None:
    """A name is none: it may be anybody's, who has it point here."""
    site = Site.of(Settings(data=Path("unused"), host=listening))
    headers = [(b"host", asked.encode()), (b"origin", origin.encode())]
    scope = {"method": "POST", "scheme": "http", "headers": headers}
    with nullcontext() if own else pytest.raises(Forbidden):
        site.check(scope)


def test_basic_is_taken_and_not_offered(server: LocalServer) -> None:
    for path in ("/prometheus/api/v1/query?query=1", "/api/v1/query?query=1", "/v1/tokens"):
        refused = server.client.get(path)
        assert refused.status_code == 401
        assert "basic" not in refused.headers["www-authenticate"].lower()
    secret = server.tokens[Role.READ_ONLY]
    answer = server.client.get("/api/v1/query?query=1", auth=httpx.BasicAuth("any", secret))
    assert answer.status_code == 200


@pytest.mark.parametrize("given", [b"\xff\xfe", b"/////w==", b"YQ", b"="])
def test_basic_that_is_no_base64_of_a_text_is_a_401(server: LocalServer, given: bytes) -> None:
    headers = {b"Authorization": b"Basic " + given}
    assert server.client.get("/api/v1/query?query=1", headers=headers).status_code == 401


@pytest.mark.parametrize("path", ["/v1/tokens", "/api/v1/query?query=1", "/healthz"])
def test_two_headers_of_which_one_must_count_are_a_400(server: LocalServer, path: str) -> None:
    url, token = str(server.client.base_url), f"Authorization: {server.bearer()['Authorization']}"
    start = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    version = "API-Version: 2026-04-01"
    for once in (token, version):
        twice = f"{start}{once}\r\n{once}\r\n\r\n"
        assert answer_to(url, twice.encode()).status == 400
    once_each = f"{start}{token}\r\n{version}\r\n\r\n"
    assert answer_to(url, once_each.encode()).status == 200
