"""What a server can be told."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from novaql.errors import ArgumentError
from novaql.server.addresses import is_loopback, parse_listen
from novaql.server.settings import Settings
from novaql.server.tenants.opening import open_store


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_without_authentication_only_loopback(host: str) -> None:
    with pytest.raises(ArgumentError, match="listen: without authentication"):
        Settings(host=host, auth=False)
    assert Settings(host=host).auth


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)
    assert not Settings(host=host, auth=False).auth


def test_arguments_win_over_the_environment() -> None:
    environ = {
        "NOVAQL_PORT": "1234",
        "NOVAQL_DATA": "/from/env",
        "NOVAQL_AUTH": "off",
        "NOVAQL_SYNC_INTERVAL_S": "0.5",
        "NOVAQL_SYNC": "always",
        "OTHER": "x",
    }
    settings = Settings.from_environment(environ, port=99, host=None)

    assert settings == Settings(
        data=Path("/from/env"), port=99, auth=False, sync_interval_s=0.5, sync="always"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NOVAQL_PORT", "http"),
        ("NOVAQL_PORT", "70000"),
        ("NOVAQL_AUTH", "perhaps"),
        ("NOVAQL_SYNC", "never"),
        ("NOVAQL_QUERY_THREADS", "0"),
        ("NOVAQL_QUERY_TIMEOUT_S", "nan"),
    ],
)
def test_wrong_values_are_named(name: str, value: str) -> None:
    with pytest.raises(ArgumentError):
        Settings.from_environment({name: value})


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        (":9490", ("127.0.0.1", 9490)),
        ("[::1]:9490", ("::1", 9490)),
    ],
)
def test_listen(text: str, address: tuple[str, int]) -> None:
    assert address == parse_listen(text)


@pytest.mark.parametrize("text", ["", "localhost", "host:", "host:port", "host:-1", "host:１"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ArgumentError, match="is not HOST:PORT"):
        parse_listen(text)


def test_a_file_gives_way_to_the_environment_and_to_arguments(tmp_path: Path) -> None:
    file = tmp_path / "novaql.toml"
    file.write_text('data = "samples"\nport = 1\nworkers = 3\nquery_timeout_s = 5\nauth = false\n')
    settings = Settings.from_environment({"NOVAQL_PORT": "2"}, config=file, workers=4)
    named = Settings.from_environment({"NOVAQL_CONFIG": str(file)})

    assert settings.data == tmp_path / "samples"
    assert (settings.port, settings.workers, settings.query_timeout_s) == (2, 4, 5.0)
    assert (named.port, named.auth) == (1, False)
    assert pickle.loads(pickle.dumps(settings)) == settings  # as workers get them


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("prot = 1", "'prot', did you mean 'port'?"),
        ('port = "1"', "port is a whole number"),
        ("auth = 1", "auth is true or false"),
        ("port = \nauth = true", "line 1"),
        ("workers = 0", "at least 1"),
    ],
)
def test_files_that_say_something_wrong(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "novaql.toml"
    file.write_text(text)
    with pytest.raises(ArgumentError, match=re.escape(told)):
        Settings.from_environment({}, config=file)


def test_the_file_that_is_shipped_is_read() -> None:
    shipped = Path(__file__).parents[3] / "server" / "deploy" / "novaql.toml"

    assert Settings.from_environment({}, config=shipped).data == Path("/var/lib/novaql")


@pytest.mark.parametrize(
    "wrong",
    [
        {"trusted_proxies": "10.0.0.1/8"},
        {"trusted_proxies": "*"},
        {"trusted_proxies": "proxy.example"},
        {"dns_server": "dns.example"},
        {"dns_server": "10.0.0.2:0"},
        {"dns_server": "10.0.0.2:x"},
        {"max_connections": -1},
        {"max_connections_per_address": -1},
        {"tls_cert": Path("cert.pem")},
        {"tls_key": Path("key.pem")},
        {"public_url": "nova.example.com"},
        {"public_url": "ftp://nova.example.com"},
        {"public_url": "https://nova.example.com/?x=1"},
        {"public_url": "https://ok@nova.example.com"},
    ],
)
def test_what_the_edge_of_the_server_cannot_be_told(wrong: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError):
        Settings(**wrong)


def test_what_the_edge_of_the_server_can_be_told() -> None:
    Settings(
        trusted_proxies="10.0.0.0/8, fd00::/8,127.0.0.1",
        dns_server="[::1]:5353",
        max_connections=0,
        max_connections_per_address=0,
        tls_cert=Path("cert.pem"),
        tls_key=Path("key.pem"),
        public_url="https://nova.example.com:8443/nova",
    )
    assert Settings(dns_server="10.0.0.2").dns_server == "10.0.0.2"


def test_a_store_has_the_cache_of_the_settings(tmp_path: Path) -> None:
    with open_store(Settings(data=tmp_path, store_cache_bytes=1 << 20)) as store:
        assert store.options.cache_bytes == 1 << 20
    with pytest.raises(ArgumentError, match="store_cache_bytes: must be 0 or more"):
        Settings(store_cache_bytes=-1)
