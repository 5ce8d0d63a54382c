"""Signatures against the reference library; retries and filters by their rules."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from novaql.server.crypto.signatures import InvalidSecret, headers, new_secret, secret_bytes
from novaql.server.webhooks.events import EVENTS, UnknownEvent, checked_filters, wanted
from novaql.server.webhooks.retries import (
    SCHEDULE,
    Verdict,
    next_attempt,
    read_retry_after,
    verdict,
)

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)


@given(st.dictionaries(st.text(), st.text(), max_size=3))
def test_the_reference_library_verifies_the_bytes(content: dict[str, str]) -> None:
    body = json.dumps(content).encode()
    old, new = new_secret(), new_secret()
    made = headers("evt_1", int(datetime.now(UTC).timestamp()), body, [new, old])
    assert made["webhook-signature"].count("v1,") == 2
    for secret in (old, new):
        assert Webhook(secret).verify(body, made) == content
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(body, made)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(body + b" ", made)


def test_the_test_vector_of_the_specification() -> None:
    made = headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def _secret(size: int) -> str:
    return "whsec_" + base64.b64encode(b"k" * size).decode()


@pytest.mark.parametrize("secret", ["", "whsec_", _secret(23), _secret(65), "a" * 44, "whsec_ä"])
def test_what_is_no_secret(secret: str) -> None:
    with pytest.raises(InvalidSecret):
        secret_bytes(secret)


@pytest.mark.parametrize("size", [24, 64])
def test_secrets_of_any_allowed_size(size: int) -> None:
    assert secret_bytes(_secret(size)) == b"k" * size


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, Verdict.DELIVERED),
        (299, Verdict.DELIVERED),
        (301, Verdict.FAILED),
        (410, Verdict.DISABLED),
        (500, Verdict.FAILED),
        (None, Verdict.FAILED),
    ],
)
def test_what_an_answer_means(status: int | None, expected: Verdict) -> None:
    assert verdict(status) is expected


def test_waits_grow_and_end() -> None:
    waits = [next_attempt(n, NOW, 0.0) for n in range(1, len(SCHEDULE) + 1)]
    assert waits == [NOW + wait for wait in SCHEDULE]
    assert next_attempt(len(SCHEDULE) + 1, NOW, 0.0) is None


@given(st.integers(1, len(SCHEDULE)), st.floats(0, 1))
def test_jitter_only_adds(attempts: int, share: float) -> None:
    at = next_attempt(attempts, NOW, share)
    assert at is not None
    assert SCHEDULE[attempts - 1] <= at - NOW <= SCHEDULE[attempts - 1] * 1.11


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("Wed, 01 Apr 2026 12:01:00 GMT", 60),
        ("Wed, 01 Apr 2026 11:59:00 GMT", None),
        ("soon", None),
        ("-5", None),
        ("²", None),
        ("99999999999999999999", 86_400),
        ("Wed, 01 Apr 2026 12:01:00 +9999999999999", None),
        ("Wed, 01 Apr 99999999999999999999 12:01:00 GMT", None),
        (None, None),
    ],
)
def test_retry_after(text: str | None, seconds: int | None) -> None:
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert read_retry_after(text, NOW) == expected


def test_a_receiver_can_put_it_off_but_not_hurry_it() -> None:
    assert next_attempt(1, NOW, 0.0, "60") == NOW + timedelta(seconds=60)
    assert next_attempt(2, NOW, 0.0, "60") == NOW + SCHEDULE[1]
    assert next_attempt(1, NOW, 0.0, "9999999") == NOW + timedelta(days=1)


@pytest.mark.parametrize("event", EVENTS)
def test_filters(event: str) -> None:
    family = event.split(".")[0]
    assert wanted(["*"], event)
    assert wanted([f"{family}.*"], event)
    assert wanted(["x", event], event)
    assert not wanted([event + "x", f"{family}", f"{event}.*"], event)


@pytest.mark.parametrize("filters", [[], ["incident"], ["incident.*", "nope.*"], ["incident.x"]])
def test_filters_that_match_nothing(filters: list[str]) -> None:
    with pytest.raises(UnknownEvent):
        checked_filters(filters)


def test_filters_are_kept_sorted_and_once() -> None:
    assert checked_filters(["slo.*", "*", "slo.*"]) == ("*", "slo.*")
