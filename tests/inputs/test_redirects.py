"""Which redirects of a server get the credentials for it."""

from __future__ import annotations

import io
import urllib.request
from http.client import HTTPMessage

import pytest

from novaql.inputs.http.client import _Redirects


@pytest.mark.parametrize(
    ("asked", "redirected", "gets"),
    [
        ("http://a/metrics", "http://a/other", True),
        ("https://a/metrics", "https://a/other", True),
        ("http://a/metrics", "https://a/metrics", True),
        ("https://a/metrics", "http://a/metrics", False),
        ("http://a/metrics", "http://b/metrics", False),
        ("http://a/metrics", "http://a:81/metrics", False),
    ],
)
def test_credentials(asked: str, redirected: str, gets: bool) -> None:
    request = urllib.request.Request(asked, headers={"Authorization": "Bearer x"})
    found = _Redirects().redirect_request(
        request, io.BytesIO(), 302, "Found", HTTPMessage(), redirected
    )
    assert found.has_header("Authorization") is gets
