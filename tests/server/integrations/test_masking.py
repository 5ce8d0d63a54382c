"""What the log of a hook hides."""

from __future__ import annotations

import json

import pytest

from novaql.server.integrations.masking import (
    is_secret_name,
    masked_body,
    masked_headers,
    masked_text,
)

HIDDEN = "[hidden]"


@pytest.mark.parametrize(
    "name",
    [
        *("Authorization", "proxy-authorization", "Cookie", "X-Api-Key", "apiKey", "API_KEY"),
        *("authToken", "X-Gitlab-Token", "x-hub-signature-256", "client_secret", "private-key"),
        *("passwd", "aws_access_key_id", "sessionId"),
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["content-type", "key", "keyboard", "author", "sha", "project"])
def test_other_names(name: str) -> None:
    assert not is_secret_name(name)


def test_headers() -> None:
    sent = {"x-mine": "s", "cookie": "a=b", "referer": "https://u:p@a.example/", "x-other": "1"}
    shown = masked_headers(sent, "x-mine")

    assert shown["x-mine"] == shown["cookie"] == HIDDEN
    assert shown["referer"] == f"https://{HIDDEN}@a.example/"
    assert shown["x-other"] == "1"


def test_bodies_in_depth() -> None:
    body = {"a": [{"authToken": "t0", "n": 1}], "secret": {"x": "t1"}, "password": None}
    shown = json.loads(masked_body(json.dumps(body).encode()))

    assert shown == {"a": [{"authToken": HIDDEN, "n": 1}], "secret": HIDDEN, "password": None}
    assert masked_body(b"{") == ""
    assert masked_body(b'{"n": 1%s}' % (b"0" * 30)) == ""


def test_texts() -> None:
    assert masked_text("git clone https://x:abc@h/r") == f"git clone https://{HIDDEN}@h/r"
    assert masked_text("sent Bearer abcdefgh.ijk") == f"sent Bearer {HIDDEN}"
    assert masked_text("a@b.example, basic idea") == "a@b.example, basic idea"


@pytest.mark.parametrize("text", ["a" * 256_000, "a://" * 64_000, "bearer " * 36_000 + " " * 4_000])
def test_the_time_of_a_long_text_grows_with_its_length(text: str) -> None:
    """A text without a login, which took minutes."""
    assert masked_text(text) == text
