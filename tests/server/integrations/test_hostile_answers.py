"""Answers of providers that would fill the memory or reach a browser, and settings that the core
would not find."""

from __future__ import annotations

import gzip
import json
import tracemalloc

import pytest

from novaql.server.clock import SystemClock
from novaql.server.egress.dialer import Dialer
from novaql.server.integrations.exchange import Exchange
from novaql.server.integrations.provider import ProviderFault, ProviderSettings, Secret, TargetUrl
from novaql.server.integrations.web_urls import is_web_url
from tests.server.integrations.test_reasons import LOOPBACK, listener

MOST = 100_000


def answer(body: bytes, coding: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def got(sent: bytes) -> object:
    exchange = Exchange(Dialer(LOOPBACK), SystemClock(), 20.0, MOST)
    with listener(answers=sent) as (port, _):
        return exchange.send("GET", f"http://127.0.0.1:{port}/").json


def test_a_compressed_answer_is_read() -> None:
    assert got(answer(gzip.compress(b'{"a": 1}'), "gzip")) == {"a": 1}


@pytest.mark.slow
def test_a_compressed_answer_is_bounded_before_it_is_decompressed() -> None:
    bomb = answer(gzip.compress(bytes(64 << 20)), "gzip")
    tracemalloc.start()
    try:
        with pytest.raises(ProviderFault, match="larger than 100000 bytes"):
            got(bomb)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8 << 20


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (answer(b"not gzip", "gzip"), "not HTTP"),
        (answer(gzip.compress(b"{}", mtime=0) + b"x", "gzip"), "after its compressed end"),
        (answer(gzip.compress(b"{}", mtime=0) * 2, "gzip"), "after its compressed end"),
        (answer(b"{}", "br"), "Content-Encoding"),
        (answer(b"[" * 50_000, "identity"), "not JSON"),
        (answer(json.dumps({"a": ["\0"]}).encode(), "identity"), "NUL"),
    ],
)
def test_answers_that_are_not_understood(sent: bytes, why: str) -> None:
    with pytest.raises(ProviderFault, match=why):
        got(sent)


def test_a_backslash_before_u0000_is_no_nul() -> None:
    assert got(answer(json.dumps("\\u0000").encode(), "identity")) == "\\u0000"


@pytest.mark.parametrize(
    ("url", "whether"),
    [
        ("https://a.example/x", True),
        ("http://[::1]/", True),
        ("http://[::1", False),
        ("javascript:alert(1)//https://a", False),
        ("data:text/html,x", False),
        ("//a.example", False),
        ("https:///x", False),
    ],
)
def test_urls_for_people(url: str, whether: bool) -> None:
    assert is_web_url(url) is whether


def test_secrets_and_urls_are_fields_of_their_own() -> None:
    class Fine(ProviderSettings):
        key: Secret
        url: TargetUrl | None = None

    assert Fine(key="k").url is None
    with pytest.raises(TypeError, match="fields of their own"):

        class Listed(ProviderSettings):
            urls: list[TargetUrl]

    with pytest.raises(TypeError, match="fields of their own"):

        class Nested(ProviderSettings):
            inner: Fine
