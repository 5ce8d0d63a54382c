"""What a server can be told."""

from __future__ import annotations

from pathlib import Path

import pytest

from novaql.errors import ArgumentError
from server.settings import Settings, is_loopback, parse_listen


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
