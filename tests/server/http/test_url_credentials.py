"""Credentials in a URL of InfluxDB's API: which are moved, and at which cost."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from novaql.server.http import url_credentials
from novaql.server.http.url_credentials import move_url_credentials


def moved(query: bytes) -> tuple[bytes, str | None]:
    """The query string that is left, and the credentials; None: there are none."""
    scope: dict[str, Any] = {"query_string": query, "path": "/write", "headers": []}
    move_url_credentials(scope)
    given = dict(scope["headers"]).get(b"authorization")
    text = None if given is None else base64.b64decode(given.removeprefix(b"Basic ")).decode()
    return scope["query_string"], text


@pytest.mark.parametrize(
    ("query", "left", "credentials"),
    [
        (b"db=x", b"db=x", None),
        (b"up=1&pu=2&u2&=u", b"up=1&pu=2&u2&=u", None),
        (b"u=a&p=b", b"", "a:b"),
        (b"db=x&u=a&p=b", b"db=x", "a:b"),
        (b"u=a&db=x&p=b&q=1", b"db=x&q=1", "a:b"),
        (b"%75=a%3Ab&%70=%C3%BC+%26", b"", "ab:ü &"),
        (b"u=a&u=b&p=c&p=d", b"", "a:c"),
        (b"p=b=c", b"", ":b=c"),
        (b"u", b"", ":"),
    ],
)
def test_credentials_leave_the_url(query: bytes, left: bytes, credentials: str | None) -> None:
    assert moved(query) == (left, credentials)


def test_many_parameters_are_not_decoded_before_the_sender_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoded: list[bytes] = []

    def noted(text: bytes) -> bytes:
        decoded.append(text)
        return text

    monkeypatch.setattr(url_credentials, "unquote_to_bytes", noted)
    assert moved(b"%61&" * 16_000 + b"u=a&p=b&" * 2) == (b"%61&" * 15_999 + b"%61", "a:b")
    assert decoded == [b"a", b"b"]
