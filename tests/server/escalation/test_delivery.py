"""How pages reach users and channels."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from novaql.server.crypto.redaction import without_secrets
from novaql.server.history import RETENTIONS
from novaql.server.jobs.housekeeping import forget
from tests.server.escalation.conftest import Watch, step
from tests.support.peers.mail_server import mail_server


@pytest.mark.slow
def test_a_webhook_with_the_id_of_the_page(watch: Watch) -> None:
    watch.user("fay", method=None)
    hook = {"url": f"{watch.receiver.url}/fay", "bearer_token": "s3cret"}
    body = {"name": "phone", "type": "webhook", "webhook": hook}
    watch.post(f"/users/{watch.users['fay']}/contact-methods", body)
    incident = watch.open(watch.policy(step(watch.target("fay"))), services=[], title="slow")
    (page,) = watch.pages(incident)
    (heard,) = watch.receiver.of("/fay")
    assert heard.headers["webhook-id"] == heard.headers["x-notification-id"] == page["id"]
    assert heard.headers["authorization"] == "Bearer s3cret"
    sent = json.loads(heard.body)
    assert (sent["type"], sent["page"]["id"], sent["page"]["step"]) == ("page", page["id"], 0)
    assert (sent["incident"]["id"], sent["incident"]["title"]) == (incident, "slow")
    assert (page["status"], page["attempts"], page["sent_at"]) == ("sent", 1, page["created_at"])
    assert watch.get(f"/pages/{page['id']}") == page
    for query in (f"incident={incident}", f"user={watch.users['fay']}", "status=sent"):
        assert watch.get(f"/pages?{query}")["data"] == [page]
    for query in ("incident=inc_01", "user=usr_01", f"channel={watch.users['fay']}"):
        assert watch.get(f"/pages?{query}")["data"] == []
    assert watch.ask("GET", "/pages?status=lost").status_code == 400


def test_failed_attempts_are_repeated_with_the_same_id(watch: Watch) -> None:
    watch.user("fay", method="webhook")
    watch.receiver.say(500, 503, 200)
    incident = watch.open(watch.policy(step(watch.target("fay"), wait="1h")))
    (page,) = watch.pages(incident)
    assert (page["status"], page["attempts"]) == ("pending", 1)
    assert page["reason"].startswith("it answered 500")
    watch.step(seconds=5)
    watch.step(seconds=15)
    (page,) = watch.pages(incident)
    assert (page["status"], page["attempts"], page["reason"]) == ("sent", 3, None)
    ids = {one.headers["webhook-id"] for one in watch.receiver.of("/fay")}
    assert ids == {page["id"]}


def test_an_acknowledgement_ends_the_attempts(watch: Watch) -> None:
    watch.user("fay", method="webhook")
    watch.receiver.say(500)
    incident = watch.open(watch.policy(step(watch.target("fay"), wait="1h")))
    watch.ack(incident)
    watch.step(minutes=1)
    (page,) = watch.pages(incident)
    assert (page["status"], page["reason"], page["attempts"]) == ("cancelled", "acknowledged", 1)
    assert len(watch.receiver.of("/fay")) == 1


def test_a_refused_page_fails_and_says_so(watch: Watch) -> None:
    watch.user("fay", method="webhook")
    watch.receiver.say(410)
    incident = watch.open(watch.policy(step(watch.target("fay"))))
    (page,) = watch.pages(incident)
    assert (page["status"], page["attempts"]) == ("failed", 1)
    assert page["reason"].startswith("it answered 410")


def test_notification_rules_with_delays(watch: Watch) -> None:
    watch.user("fay", method=None)
    path = f"/users/{watch.users['fay']}/notification-rules"
    hook, sink = watch.method("fay", "webhook"), watch.method("fay", "sink")
    watch.post(path, {"contact_method_id": hook})
    watch.post(path, {"contact_method_id": sink, "delay": "5m"})
    watch.post(path, {"contact_method_id": hook, "delay": "10m"})
    incident = watch.open(watch.policy(step(watch.target("fay"), wait="1h")))
    seen = []
    for _ in range(3):
        seen.append(sorted((one["delay"], one["status"]) for one in watch.pages(incident)))
        watch.step(minutes=5)
    sent, late = "sent", "pending"
    assert seen == [
        [("0s", sent), ("10m", late), ("5m", late)],
        [("0s", sent), ("10m", late), ("5m", sent)],
        [("0s", sent), ("10m", sent), ("5m", sent)],
    ]
    assert len({one.headers["webhook-id"] for one in watch.receiver.of("/fay")}) == 2


def test_without_contact_method_and_mail_the_page_says_so(watch: Watch) -> None:
    watch.user("fay", method=None)
    steps = step(watch.target("fay")), step(watch.target("ada"))
    incident = watch.open(watch.policy(*steps))
    first, second = sorted(watch.pages(incident), key=lambda one: one["step"])
    assert (first["status"], first["reason"]) == ("failed", "no_contact_method")
    assert first["method"] == {"id": "none", "type": "none"}
    assert (second["target"]["name"], second["status"]) == ("ada", "sent")  # at once
    assert watch.get(f"/incidents/{incident}")["flags"] == ["no_contact_method"]
    (entry, _) = [one["data"] for one in watch.timeline(incident) if one["type"] == "paged"]
    assert entry["pages"][0]["reason"] == "no_contact_method"


def test_mail_to_users_with_and_without_contact_method(watch: Watch) -> None:
    with mail_server("none") as box:
        settings = {
            "host": "127.0.0.1",
            "port": box.port,
            "tls": "none",
            "from": "nova@team.example",
            "to": ["all@team.example"],
        }
        watch.post("/notification-channels", {"name": "m", "type": "email", "email": settings})
        watch.user("fay", method=None)
        watch.user("gus", method=None)
        watch.method("gus", "email", email={"address": "gus@home.example"})
        targets = [watch.target("fay"), watch.target("gus")]
        incident = watch.open(watch.policy(step(*targets)), title="slow")
        pages = {one["target"]["name"]: one for one in watch.pages(incident)}
        assert {one["status"] for one in pages.values()} == {"sent"}
    found = {one["To"]: one for one in box.mails}
    assert set(found) == {"fay@team.example", "gus@home.example"}
    assert found["gus@home.example"]["Message-ID"] == f"<{pages['gus']['id']}@novaql>"
    assert found["fay@team.example"]["Subject"] == "[SEV2] slow"


def test_channels_are_targets(watch: Watch) -> None:
    url = f"{watch.receiver.url}/slack"
    slack = {"name": "s", "type": "slack", "slack": {"url": url, "channel": "#ops"}}
    ids = [watch.post("/notification-channels", slack)["id"]]
    ids.append(watch.post("/notification-channels", {"name": "gone", "type": "sink"})["id"])
    policy = watch.policy(step(*({"type": "channel", "id": one} for one in ids)))
    watch.ask("DELETE", f"/notification-channels/{ids[1]}")
    incident = watch.open(policy)
    (page,) = watch.pages(incident)
    (heard,) = watch.receiver.of("/slack")
    assert (page["target"]["type"], page["status"]) == ("channel", "sent")
    body: Any = json.loads(heard.body)
    assert (body["channel"], body["attachments"][0]["footer"]) == ("#ops", page["id"])
    (skipped,) = [one["data"] for one in watch.timeline(incident) if one["type"] == "page_skipped"]
    assert skipped["reason"] == "channel_deleted"


def test_a_contact_method_that_was_deleted_meanwhile(watch: Watch) -> None:
    watch.user("fay", method=None)
    path = f"/users/{watch.users['fay']}"
    hook = watch.method("fay", "webhook")
    watch.post(f"{path}/notification-rules", {"contact_method_id": hook, "delay": "1m"})
    incident = watch.open(watch.policy(step(watch.target("fay"))))
    assert watch.ask("DELETE", f"{path}/contact-methods/{hook}").status_code == 204
    watch.step(minutes=1)
    (page,) = watch.pages(incident)
    assert (page["status"], page["reason"]) == ("failed", "the contact method was deleted")


@pytest.mark.slow
def test_pages_are_deleted_after_their_retention(watch: Watch) -> None:
    incident = watch.open(watch.policy(step(watch.target("ada"))))
    context = watch.server.context
    watch.clock.step(timedelta(days=29))
    forget(context, RETENTIONS)
    assert len(watch.pages(incident)) == 1
    watch.clock.step(timedelta(days=1))
    forget(context, RETENTIONS)
    assert watch.pages(incident) == []


def test_what_a_text_repeats_of_secrets() -> None:
    url = "https://hooks.example/services/T0/AAAABBBBCCCCDDDD?key=a%2Fb"
    secrets = {"url": url, "bearer_token": "tok-1"}
    for text, shown in {
        f"POST {url} failed": "POST [hidden] failed",
        "no /services/T0/AAAABBBBCCCCDDDD here": "no [hidden] here",
        "AAAABBBBCCCCDDDD, tok-1": "[hidden], [hidden]",
        "services at hooks.example": "services at hooks.example",
    }.items():
        assert without_secrets(text, secrets) == shown
    assert without_secrets("a / b", {"url": "https://hooks.example/"}) == "a / b"
