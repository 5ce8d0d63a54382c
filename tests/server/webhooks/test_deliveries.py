"""Messages reach their receivers: signed, once they are written and not before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook as Reference
from standardwebhooks import WebhookVerificationError

from novaql.server import versions as api_version
from novaql.server.clock import SteppedClock
from novaql.server.db.engine import StateDatabase
from tests.server.webhooks.conftest import ask, log_of, make_a_token, subscribe, verified
from tests.support.peers.receiver import Receiver
from tests.support.servers.http_server import LocalServer, local_server


def test_an_event_arrives_signed_byte_for_byte(served: LocalServer, receiver: Receiver) -> None:
    webhook = subscribe(served, receiver.url, "audit.token.*")
    caused = make_a_token(served)
    served.run_jobs()
    (heard,) = receiver.heard
    told = verified(webhook["secret"], heard)

    assert told["type"] == "audit.token.create"
    assert told["sequence"] == 1
    assert told["api_version"] == "2026-04-01"
    assert told["data"]["request_id"] == caused.headers["x-request-id"]
    assert told["data"]["target"] == {"type": "token", "id": caused.json()["id"]}
    assert told["timestamp"].endswith("Z")
    assert heard.headers["webhook-timestamp"] == str(int(served.context.clock.now().timestamp()))
    assert heard.headers["content-type"] == "application/json"
    assert caused.json()["token"] not in heard.body.decode()
    (delivery,) = log_of(served, webhook)
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 1)
    assert delivery["id"] == heard.headers["webhook-id"]
    shown = ask(served, "GET", f"/webhooks/{webhook['id']}").json()
    assert shown["last_delivery"]["status_code"] == 200
    assert shown["version"] == 1


def test_a_failure_is_sent_again_under_the_same_id(
    served: LocalServer, receiver: Receiver, clock: SteppedClock
) -> None:
    receiver.say(500, 200)
    webhook = subscribe(served, receiver.url, "audit.token.create")
    make_a_token(served)
    served.run_jobs()
    clock.step(timedelta(seconds=4))
    assert served.run_jobs() == 0
    clock.step(timedelta(seconds=2))
    served.run_jobs()
    first, second = receiver.heard

    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    assert first.body == second.body
    verified(webhook["secret"], second)
    (delivery,) = log_of(served, webhook)
    full = ask(served, "GET", f"/webhooks/{webhook['id']}/deliveries/{delivery['id']}").json()
    assert [(a["number"], a["status_code"]) for a in full["history"]] == [(1, 500), (2, 200)]
    assert full["history"][0]["response"] == "told 500"
    assert full["body"]["type"] == "audit.token.create"


def test_retry_after_puts_it_off(
    served: LocalServer, receiver: Receiver, clock: SteppedClock
) -> None:
    receiver.say(503, 200, Retry_After="90")
    subscribe(served, receiver.url, "audit.token.create")
    make_a_token(served)
    served.run_jobs()
    clock.step(timedelta(seconds=89))
    served.run_jobs()
    assert len(receiver.heard) == 1
    clock.step(timedelta(seconds=2))
    served.run_jobs()
    assert len(receiver.heard) == 2


def test_both_secrets_sign_for_a_day_after_a_rotation(
    served: LocalServer, receiver: Receiver, clock: SteppedClock
) -> None:
    receiver.say(500)
    webhook = subscribe(served, receiver.url, "audit.token.create")
    make_a_token(served)
    served.run_jobs()  # a message from before the rotation, to be sent again
    old, path = webhook["secret"], f"/webhooks/{webhook['id']}"
    rotated = ask(served, "POST", f"{path}/rotate-secret").json()
    new = rotated["secret"]
    clock.step(timedelta(seconds=6))
    served.run_jobs()

    before, again = receiver.heard
    assert before.headers["webhook-signature"].count("v1,") == 1
    assert again.headers["webhook-signature"].count("v1,") == 2
    verified(old, again)
    verified(new, again)
    assert new != old
    second = ask(served, "POST", f"{path}/rotate-secret")
    assert (second.status_code, second.json()["error"]["code"]) == (409, "rotation_in_progress")
    assert "secret" not in ask(served, "GET", path).json()

    clock.step(timedelta(days=1))
    served.run_jobs()
    late = receiver.heard[-1]
    assert late.headers["webhook-signature"].count("v1,") == 1
    with pytest.raises(WebhookVerificationError):
        Reference(old).verify(late.body, dict(late.headers))
    assert ask(served, "POST", f"{path}/rotate-secret", {}).status_code == 200


def test_the_old_secret_can_be_ended_early_and_a_rotation_forced(
    served: LocalServer, receiver: Receiver
) -> None:
    webhook = subscribe(served, receiver.url, "audit.token.create")
    path = f"/webhooks/{webhook['id']}"
    none = ask(served, "DELETE", f"{path}/previous-secret")
    assert (none.status_code, none.json()["error"]["code"]) == (404, "previous_secret_not_found")
    second = ask(served, "POST", f"{path}/rotate-secret").json()["secret"]
    third = ask(served, "POST", f"{path}/rotate-secret", {"force": True}).json()["secret"]
    make_a_token(served)
    served.run_jobs()
    heard = receiver.heard[-1]
    verified(second, heard)
    verified(third, heard)
    with pytest.raises(WebhookVerificationError):
        verified(webhook["secret"], heard)

    assert ask(served, "DELETE", f"{path}/previous-secret").status_code == 204
    assert ask(served, "DELETE", f"{path}/previous-secret").status_code == 404
    make_a_token(served)
    served.run_jobs()
    assert receiver.heard[-1].headers["webhook-signature"].count("v1,") == 1
    verified(third, receiver.heard[-1])


def test_a_redirect_is_a_failure_and_not_followed(served: LocalServer, receiver: Receiver) -> None:
    receiver.say(302, Location=f"{receiver.url}/elsewhere")
    webhook = subscribe(served, f"{receiver.url}/here", "audit.token.create")
    make_a_token(served)
    served.run_jobs()

    assert [heard.path for heard in receiver.heard] == ["/here"]
    (delivery,) = log_of(served, webhook)
    assert (delivery["status"], delivery["last_status_code"]) == ("pending", 302)


def test_a_name_that_turns_private_is_not_dialed(
    database: StateDatabase, clock: SteppedClock, receiver: Receiver
) -> None:
    """The name is public when it is written down, and ours when the message goes out."""
    with local_server(database=database, clock=clock, webhook_http=True) as served:
        port = receiver.url.rpartition(":")[2]
        answers = [["93.184.216.34"], ["127.0.0.1"]]
        object.__setattr__(
            served.context.dialer,
            "resolver",
            lambda _host, _port: answers.pop(0) if len(answers) > 1 else answers[0],
        )
        webhook = subscribe(served, f"http://rebind.example:{port}/", "audit.token.create")
        make_a_token(served)
        served.run_jobs()

        assert receiver.heard == []
        (delivery,) = log_of(served, webhook)
        assert delivery["last_error"] == "target_not_allowed"


def test_a_change_that_is_rolled_back_sends_nothing(
    served: LocalServer, receiver: Receiver
) -> None:
    webhook = subscribe(served, receiver.url, "*")
    served.run_jobs()
    receiver.heard.clear()
    refused = ask(
        served, "POST", "/tokens", {"name": "x", "role": "read_only", "owner_id": "usr_0"}
    )
    served.run_jobs()

    assert refused.status_code == 422
    assert receiver.heard == []
    assert ask(served, "GET", f"/webhooks/{webhook['id']}").json()["status"] == "active"


def test_a_test_reports_and_counts_as_nothing(served: LocalServer, receiver: Receiver) -> None:
    webhook = subscribe(served, receiver.url, "incident.*")
    path = f"/webhooks/{webhook['id']}"
    receiver.say(503, 200)
    bad = ask(served, "POST", f"{path}/test")
    good = ask(served, "POST", f"{path}/test")

    assert (bad.status_code, good.status_code) == (200, 200)
    assert bad.json()["delivered"] is False
    assert bad.json()["status_code"] == 503
    assert good.json() == {
        "delivered": True,
        "status_code": 200,
        "latency_ms": good.json()["latency_ms"],
        "error": None,
    }
    assert good.json()["latency_ms"] > 0
    assert [verified(webhook["secret"], h)["type"] for h in receiver.heard] == ["webhook.test"] * 2
    shown = ask(served, "GET", path).json()
    assert (shown["failing_since"], shown["last_delivery"]) == (None, None)
    assert served.run_jobs() >= 0
    assert len(receiver.heard) == 2  # a failed test is not sent again


def test_a_test_with_a_key_is_sent_once(served: LocalServer, receiver: Receiver) -> None:
    webhook = subscribe(served, receiver.url, "incident.*")
    headers = {**served.bearer(), "Idempotency-Key": "once"}
    url = f"/v1/webhooks/{webhook['id']}/test"
    first = served.client.post(url, headers=headers)
    second = served.client.post(url, headers=headers)

    assert second.content == first.content
    assert second.headers["idempotent-replayed"] == "true"
    assert len(receiver.heard) == 1


def test_a_test_of_nobody_tells_why(served: LocalServer) -> None:
    webhook = subscribe(served, "http://127.0.0.1:9/", "incident.*")
    told = ask(served, "POST", f"/webhooks/{webhook['id']}/test").json()

    assert (told["delivered"], told["status_code"], told["error"]) == (False, None, "connect")


def test_a_message_is_written_in_its_endpoints_version(
    served: LocalServer, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Renamed(api_version.VersionChange):
        """`action` was called `what`."""

        def event(self, type_: str, data: Any) -> Any:
            return {"what": data["action"]} if type_.startswith("audit.") else data

    monkeypatch.setattr(api_version, "CHANGES", (*api_version.CHANGES, Renamed()))
    old = subscribe(served, f"{receiver.url}/old", "audit.token.create", api_version="2026-01-15")
    subscribe(served, f"{receiver.url}/new", "audit.token.create")
    make_a_token(served)
    served.run_jobs()

    (before,), (now,) = receiver.of("/old"), receiver.of("/new")
    told = verified(old["secret"], before)
    assert (told["api_version"], told["data"]) == ("2026-01-15", {"what": "token.create"})
    assert b'"action":"token.create"' in now.body
