"""Receivers that fail, are gone, or are slow: what becomes of their messages, and of others."""

from __future__ import annotations

import socket
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from novaql.server.clock import SteppedClock
from novaql.server.db.engine import StateDatabase
from novaql.server.db.tables import AuditEntry
from novaql.server.db.unit import Origin
from novaql.server.history import RETENTIONS
from novaql.server.jobs.housekeeping import forget
from novaql.server.jobs.relay import Relay
from novaql.server.jobs.runner import JobRunner
from novaql.server.webhooks.messages import RETENTION
from novaql.server.webhooks.retries import SCHEDULE
from novaql.server.wiring import CONSUMERS, JOBS
from tests.server.webhooks.conftest import REACHABLE, ask, log_of, make_a_token, subscribe
from tests.support.peers.receiver import Receiver
from tests.support.servers.http_server import LocalServer, local_server


def test_deleting_ends_what_was_to_be_sent_again(
    served: LocalServer, receiver: Receiver, clock: SteppedClock
) -> None:
    receiver.say(500)
    webhook = subscribe(served, receiver.url, "audit.token.create")
    make_a_token(served)
    served.run_jobs()
    assert ask(served, "DELETE", f"/webhooks/{webhook['id']}").status_code == 204
    for _ in range(3):
        clock.step(timedelta(hours=1))
        served.run_jobs()

    assert len(receiver.heard) == 1
    assert ask(served, "GET", f"/webhooks/{webhook['id']}").status_code == 404
    assert ask(served, "GET", f"/webhooks/{webhook['id']}/deliveries").status_code == 404


def test_who_is_gone_is_disabled_at_once_and_can_be_enabled(
    served: LocalServer, receiver: Receiver, clock: SteppedClock
) -> None:
    receiver.say(500, 410)
    webhook = subscribe(served, receiver.url, "audit.token.create")
    path = f"/webhooks/{webhook['id']}"
    make_a_token(served)
    served.run_jobs()  # 500: waits
    make_a_token(served)
    served.run_jobs()  # 410
    shown = ask(served, "GET", path).json()
    assert (shown["status"], shown["disabled_reason"]) == ("disabled", "gone")
    reasons = [(d["status"], d["reason"]) for d in log_of(served, webhook)]
    assert sorted(reasons) == [("dead", "disabled"), ("dead", "gone")]

    make_a_token(served)
    clock.step(timedelta(hours=1))
    served.run_jobs()
    assert len(receiver.heard) == 2
    refused = ask(served, "POST", f"{path}/replay", {})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "disabled")

    receiver.say(200)
    change = {"enabled": True, "version": shown["version"]}
    assert ask(served, "PATCH", path, change).json()["status"] == "active"
    replayed = ask(served, "POST", f"{path}/replay", {})
    assert (replayed.status_code, replayed.json()) == (202, {"replayed": 2})
    served.run_jobs()
    assert {d["status"] for d in log_of(served, webhook)} == {"delivered"}
    ids = [heard.headers["webhook-id"] for heard in receiver.heard]
    assert sorted(ids[:2]) == sorted(ids[2:])
    with served.context.database.read(None) as session:
        found = select(AuditEntry).where(AuditEntry.action == "webhook.disable")
        (entry,) = session.execute(found).scalars()
        assert entry.actor_type == "system"
        assert entry.request_id.startswith("job_")  # nobody asked for it


def test_a_message_that_fails_after_its_endpoint_was_disabled_is_not_sent_again(
    served: LocalServer, receiver: Receiver
) -> None:
    receiver.say(500)
    webhook = subscribe(served, f"{receiver.url}/slow", "audit.token.create")
    make_a_token(served)
    receiver.hold.clear()
    running = threading.Thread(target=served.run_jobs)
    running.start()
    try:
        _until(lambda: len(receiver.heard) == 1)
        path, change = f"/webhooks/{webhook['id']}", {"enabled": False, "version": 1}
        assert ask(served, "PATCH", path, change).status_code == 200
    finally:
        receiver.hold.set()
        running.join()
    (delivery,) = log_of(served, webhook)

    assert (delivery["status"], delivery["reason"]) == ("dead", "disabled")
    assert (delivery["attempts"], delivery["next_at"]) == (1, None)


@pytest.mark.slow
def test_an_endpoint_that_hears_nothing_is_given_up(
    served: LocalServer, receiver: Receiver, clock: SteppedClock
) -> None:
    receiver.say(500)
    other = subscribe(served, f"{receiver.url}/owner", "webhook.*")
    webhook = subscribe(served, f"{receiver.url}/hook", "audit.token.create")
    make_a_token(served)
    served.run_jobs()
    for wait in SCHEDULE:
        assert log_of(served, webhook)[0]["status"] == "pending"
        clock.step(wait * 1.11)
        served.run_jobs()

    assert len(receiver.of("/hook")) == len(SCHEDULE) + 1
    (delivery,) = log_of(served, webhook, "?status=dead")
    assert (delivery["reason"], delivery["attempts"]) == ("exhausted", len(SCHEDULE) + 1)
    shown = ask(served, "GET", f"/webhooks/{webhook['id']}").json()
    assert (shown["status"], shown["disabled_reason"]) == ("disabled", "failing")
    assert ask(served, "GET", f"/webhooks/{other['id']}").json()["status"] == "active"
    assert b"webhook.disabled" in receiver.of("/owner")[-1].body


@pytest.mark.slow
def test_one_bad_message_does_not_disable_who_hears_others(
    served: LocalServer, receiver: Receiver, clock: SteppedClock
) -> None:
    receiver.say(500)
    webhook = subscribe(served, receiver.url, "audit.token.create")
    make_a_token(served)
    served.run_jobs()
    first = receiver.heard[0].headers["webhook-id"]
    receiver.say(200)
    make_a_token(served)
    served.run_jobs()
    receiver.say(500)
    for wait in SCHEDULE:
        clock.step(wait * 1.11)
        served.run_jobs()

    (dead,) = log_of(served, webhook, "?status=dead")
    assert dead["id"] == first
    assert ask(served, "GET", f"/webhooks/{webhook['id']}").json()["status"] == "active"
    receiver.say(200)
    again = ask(served, "POST", f"/webhooks/{webhook['id']}/deliveries/{first}/replay")
    twice = ask(served, "POST", f"/webhooks/{webhook['id']}/deliveries/{first}/replay")
    served.run_jobs()
    assert (again.status_code, again.json()["status"]) == (202, "pending")
    assert twice.json()["error"]["code"] == "delivery_pending"
    assert receiver.heard[-1].headers["webhook-id"] == first
    assert log_of(served, webhook, "?status=dead") == []


def test_the_log_forgets_what_ended_long_ago(
    served: LocalServer, receiver: Receiver, clock: SteppedClock
) -> None:
    webhook = subscribe(served, receiver.url, "audit.token.create")
    make_a_token(served)
    served.run_jobs()
    clock.step(RETENTION)
    make_a_token(served)
    served.run_jobs()
    forget(served.context, RETENTIONS)

    assert len(receiver.heard) == 2
    assert len(log_of(served, webhook)) == 1


@pytest.mark.slow
def test_a_slow_endpoint_does_not_hold_up_others(
    database: StateDatabase, receiver: Receiver
) -> None:
    """Two hundred messages to one that does not answer; the other hears its one at once."""
    with local_server(database=database, webhook_timeout_s=60.0, **REACHABLE) as served:
        subscribe(served, f"{receiver.url}/slow", "audit.token.create")
        runner = JobRunner(served.context, JOBS, threads=2, poll_s=0.05)
        served.context.lifecycle.job_wakers.append(runner.wake)
        relay = Relay(served.context, CONSUMERS, poll_s=0.05)
        receiver.hold.clear()
        system = served.context.scoped(served.context.access.default_principal)
        actor = system.actor_of(served.context.access.default_principal)
        with system.unit(actor, Origin("req_test"), writes=True) as unit:
            for number in range(200):
                unit.publish("audit.token.create", {"n": number})
        relay.start()
        runner.start()
        try:
            _until(lambda: len(receiver.of("/slow")) == 2)
            subscribe(served, f"{receiver.url}/quick", "audit.token.rotate")
            token = make_a_token(served).json()["id"]
            ask(served, "POST", f"/tokens/{token}/rotate")
            _until(lambda: len(receiver.of("/quick")) == 1)
            assert len(receiver.of("/slow")) == 2  # as many at one time as it has places
        finally:
            receiver.say(410)
            receiver.hold.set()
            relay.stop()
            runner.stop()


@pytest.mark.slow
def test_a_receiver_that_trickles_is_cut_off_in_time(
    database: StateDatabase,
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def trickle() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while not stop.wait(0.1):
                try:
                    connection.sendall(b"X-Slow: 1\r\n")
                except OSError:
                    return

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        with local_server(database=database, webhook_timeout_s=1.0, **REACHABLE) as served:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            webhook = subscribe(served, url, "incident.*")
            started = time.monotonic()
            told = ask(served, "POST", f"/webhooks/{webhook['id']}/test").json()
            assert (told["delivered"], told["error"]) == (False, "timeout")
            assert time.monotonic() - started < 10
    finally:
        stop.set()
        thread.join()
        listener.close()


def _until(true: Any, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_failed_tests_are_not_replayed_with_the_dead_letters(
    served: LocalServer, receiver: Receiver
) -> None:
    receiver.say(500, 410)
    webhook = subscribe(served, receiver.url, "audit.token.create")
    path = f"/webhooks/{webhook['id']}"
    assert ask(served, "POST", f"{path}/test").json()["delivered"] is False
    make_a_token(served)
    served.run_jobs()
    version = ask(served, "GET", path).json()["version"]
    ask(served, "PATCH", path, {"enabled": True, "version": version})
    receiver.say(200)
    assert ask(served, "POST", f"{path}/replay", {}).json() == {"replayed": 1}
    served.run_jobs()

    states = {one["event_type"]: one["status"] for one in log_of(served, webhook)}
    assert states == {"webhook.test": "dead", "audit.token.create": "delivered"}
    (test,) = [one for one in log_of(served, webhook) if one["event_type"] == "webhook.test"]
    again = ask(served, "POST", f"{path}/deliveries/{test['id']}/replay")
    assert again.status_code == 202
