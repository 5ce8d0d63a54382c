"""Who is told of what, and when; and what arrives at the channels."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from sqlalchemy import select

from novaql.server.auth.roles import Role
from novaql.server.db.tables import Event
from novaql.server.notifications.alertmanager_payload import fingerprint
from tests.support.peers.receiver import Receiver, receiving
from tests.support.servers.alert_rig import AlertRig
from tests.support.servers.http_server import local_server


@pytest.mark.slow
def test_alerts_that_come_together_are_told_together(rig: AlertRig) -> None:
    rig.route_to_log(group_wait="30s", group_interval="1m", repeat_interval="10m")
    rig.rule()
    rig.now(a=0.0)
    rig.step(a=0.0, b=0.0)
    assert rig.log() == []
    rig.step(a=0.0, b=0.0)
    assert rig.log() == [("new_alerts", 2, 0)]
    rig.step(a=0.0, b=0.0, c=0.0)
    assert len(rig.log()) == 1  # not before the group's interval
    for _ in range(3):
        rig.step(a=0.0, b=0.0, c=0.0)
    assert rig.log()[1:] == [("new_alerts", 3, 0)]
    for _ in range(4):
        rig.step(a=0.0, b=0.0, c=1.0)
    assert rig.log()[2:] == [("some_resolved", 2, 1)]
    for _ in range(4):
        rig.step(a=1.0, b=1.0, c=1.0)
    assert rig.log()[3:] == [("all_resolved", 0, 2)]
    for _ in range(8):
        rig.step(a=1.0, b=1.0, c=1.0)

    assert len(rig.log()) == 4


@pytest.mark.slow
def test_it_is_repeated_after_the_repeat_interval(one: AlertRig) -> None:
    one.route_to_log(group_interval="30s", repeat_interval="2m")
    one.rule()
    one.now(a=0.0)
    for _ in range(9):
        one.step(a=0.0)

    assert one.log() == [("new_alerts", 1, 0), ("repeat", 1, 0)]


@pytest.mark.slow
def test_what_is_over_before_it_was_told_stays_untold(one: AlertRig) -> None:
    one.route_to_log(group_wait="30s")
    one.rule()
    one.now(a=0.0)
    for _ in range(6):
        one.step(a=1.0)

    assert one.log() == []


def test_without_routing_nobody_is_told(one: AlertRig) -> None:
    one.rule()
    one.now(a=0.0)
    one.step(60, a=0.0)

    assert one.log() == []
    assert one.alert()["routing"] == []
    assert one.get("/v1/alert-routing")["version"] == 0


@pytest.mark.slow
def test_by_hand(rig: AlertRig) -> None:
    rig.route_to_log()
    rig.post("/v1/notification-channels", {"name": "other", "type": "sink"})
    rule = rig.rule(channels=["log", "other"])
    rig.now(a=0.0)
    alert_id = rig.alert()["id"]
    path = f"/v1/alerts/{alert_id}/notify"
    made = rig.post(path, None, 202)["notifications"]
    assert [(one["channel"], one["status"]) for one in made] == [
        ("log", "pending"),
        ("other", "pending"),
    ]
    assert rig.log("?why=by_hand") == [("by_hand", 1, 0)] * 2
    again = rig.ask("POST", path)
    assert (again.status_code, again.headers["retry-after"]) == (429, "30")
    rig.step(30, a=0.0)
    rig.post(path, None, 202)
    assert len(rig.log(f"?alert_id={alert_id}")) == 4
    rig.server.run_jobs()
    assert {n["status"] for n in rig.get("/v1/notifications?why=by_hand")["data"]} == {"sent"}
    rig.post(f"/v1/alerts/{alert_id}/silence", {"duration": "1m", "reason": "quiet"})
    silenced = rig.ask("POST", path)
    assert (silenced.status_code, silenced.json()["error"]["code"]) == (409, "alert_suppressed")
    rig.step(60, a=1.0)
    over = rig.ask("POST", path)

    assert (over.status_code, over.json()["error"]["code"]) == (409, "alert_not_firing")
    assert rig.ask("POST", path, role=Role.READ_ONLY).status_code == 403
    assert rule["routing"][0]["channels"] == ["log", "other"]


def test_by_hand_is_limited_without_channels_too(rig: AlertRig) -> None:
    rig.rule()
    rig.now(a=0.0)
    path = f"/v1/alerts/{rig.alert()['id']}/notify"
    assert rig.post(path, None, 202) == {"notifications": []}
    again = rig.ask("POST", path)
    assert (again.status_code, again.json()["error"]["code"]) == (429, "notified_just_now")
    rig.step(30, a=0.0)
    rig.post(path, None, 202)


@pytest.mark.slow
def test_a_storm_is_one_notification(one: AlertRig) -> None:
    one.route_to_log(group_wait="15s")
    one.rule()
    one.now(**{f"i{number:04}": 0.0 for number in range(5000)})
    assert len(one.get("/v1/alerts?firing=true&limit=200")["data"]) == 200
    one.step()
    (told,) = one.get("/v1/notifications")["data"]

    assert (told["firing"], told["total"], told["truncated"]) == (5000, 5000, 4900)
    assert len(told["alerts"]) == 100


@pytest.mark.slow
def test_inhibition_and_mute_times(rig: AlertRig) -> None:
    rig.post("/v1/notification-channels", {"name": "log", "type": "sink"})
    routing: dict[str, Any] = {
        "route": {
            "channels": ["log"],
            "group_by": ["alertname"],
            "group_wait": "0s",
            "group_interval": "15s",
            "routes": [
                {"matchers": ["alertname=Quiet"], "mute_time_intervals": ["lunch"]},
            ],
        },
        "inhibit_rules": [
            {
                "source_matchers": ["severity=page"],
                "target_matchers": ["severity=ticket"],
                "equal": ["instance"],
            }
        ],
        "time_intervals": [
            {
                "name": "lunch",
                "time_intervals": [{"times": [{"start_time": "12:00", "end_time": "12:01"}]}],
            }
        ],
    }
    rig.post("/v1/alert-routing", routing)
    rig.rule(severity="page")
    rig.rule(name="Slow", severity="ticket")
    rig.rule(name="Quiet")
    rig.now(a=0.0)
    rig.step(a=0.0)
    by_name = {alert["name"]: alert for alert in rig.alerts()}
    assert by_name["Slow"]["suppressed_by"] == [by_name["Down"]["id"]]
    assert by_name["Slow"]["silenced"] is False

    def told() -> list[str]:
        data = rig.get("/v1/notifications")["data"]
        return sorted(one["alerts"][0]["name"] for one in data)

    assert told() == ["Down"]
    for _ in range(4):
        rig.step(a=0.0)

    assert told() == ["Down", "Quiet"]


@pytest.mark.slow
def test_a_new_tree_loses_no_end_of_an_alert(one: AlertRig) -> None:
    one.route_to_log(group_interval="1m", repeat_interval="1h")
    one.rule()
    one.now(a=0.0, b=0.0)
    one.step(a=1.0, b=0.0)  # before the next flush of the group
    route = {"channels": ["log"], "group_by": ["alertname"], "group_interval": "1m"}
    one.post("/v1/alert-routing", {"route": route, "version": 1}, 200)
    one.step(60, a=1.0, b=0.0)
    one.step(a=1.0, b=1.0)
    other = {**route, "group_by": ["instance"]}
    one.post("/v1/alert-routing", {"route": other, "version": 2}, 200)
    one.step(60, a=1.0, b=1.0)

    assert one.log() == [("new_alerts", 2, 0), ("some_resolved", 1, 1), ("all_resolved", 0, 1)]


@pytest.mark.slow
def test_an_alert_that_fires_again_leaves_the_group_of_the_former_tree(one: AlertRig) -> None:
    one.route_to_log(group_interval="1m", repeat_interval="1h")
    one.rule()
    one.now(a=0.0)
    one.step(a=1.0)
    route = {"channels": ["log"], "group_by": ["instance"], "group_interval": "1m"}
    one.post("/v1/alert-routing", {"route": {**route, "group_wait": "0s"}, "version": 1}, 200)
    one.server.run_jobs()
    one.step(a=0.0)
    one.step(60, a=0.0)
    one.step(60, a=1.0)
    one.step(60, a=1.0)

    assert one.log() == [("new_alerts", 1, 0), ("new_alerts", 1, 0), ("all_resolved", 0, 1)]


@pytest.mark.slow
def test_a_new_tree_moves_what_fires(one: AlertRig) -> None:
    one.route_to_log()
    one.rule(severity="page")
    one.now(a=0.0)
    one.post("/v1/notification-channels", {"name": "pager", "type": "sink"})
    tree = {
        "channels": ["log"],
        "routes": [{"matchers": ["severity=page"], "channels": ["pager"], "group_wait": "0s"}],
    }
    stale = one.ask("POST", "/v1/alert-routing", {"route": tree})
    assert stale.status_code == 409
    one.post("/v1/alert-routing", {"version": 1, "route": tree}, 200)
    one.step(a=0.0)

    assert one.log("?channel=pager") == [("new_alerts", 1, 0)]
    used = one.get("/v1/notification-channels")["data"][1]
    refused = one.ask("DELETE", f"/v1/notification-channels/{used['id']}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "channel_in_use")
    tried = one.post("/v1/alert-routing/test", {"labels": {"severity": "page"}}, 200)
    assert tried["destinations"][0]["channels"] == ["pager"]


@pytest.mark.parametrize(
    ("route", "status"),
    [
        ({"channels": ["nobody"]}, 422),
        ({"matchers": ["a=b"]}, 400),
        ({"routes": [{"matchers": ["a"]}]}, 400),
        ({"routes": [{"matchers": ['a=~"("']}]}, 400),
        ({"routes": [{"mute_time_intervals": ["never"]}]}, 400),
        ({"group_interval": "0s"}, 400),
        ({"more": 1}, 400),
    ],
)
def test_what_is_no_tree(one: AlertRig, route: dict[str, Any], status: int) -> None:
    assert one.ask("POST", "/v1/alert-routing", {"route": route}).status_code == status


def test_a_range_of_times_ends_after_it_begins(one: AlertRig) -> None:
    night = {"times": [{"start_time": "22:00", "end_time": "06:00"}]}
    intervals = [{"name": "night", "time_intervals": [night]}]
    body = {"route": {}, "time_intervals": intervals}
    answer = one.ask("POST", "/v1/alert-routing", body)

    assert answer.status_code == 400
    assert answer.json()["error"]["details"] == [
        {
            "pointer": "/time_intervals/0/time_intervals/0/times/0/end_time",
            "message": "06:00 is not after 22:00; split a range at midnight",
        }
    ]


@pytest.mark.parametrize("zone", ["localtime", "right/UTC", "Mars/Base"])
def test_a_time_zone_is_the_same_on_each_machine(one: AlertRig, zone: str) -> None:
    times = [{"name": "night", "time_intervals": [{"location": zone}]}]
    body = {"route": {}, "time_intervals": times}
    answer = one.ask("POST", "/v1/alert-routing", body)
    tried = one.ask("POST", "/v1/alert-routing/test", {"labels": {}, "config": body})
    file = "route: {receiver: a}\nreceivers: [{name: a}]\ntime_intervals:\n"
    file += f"  - {{name: night, time_intervals: [{{location: {zone}}}]}}\n"
    imported = one.ask("POST", "/v1/alert-routing/import", {"document": file})

    assert [a.status_code for a in (answer, tried, imported)] == [400] * 3
    (detail,) = answer.json()["error"]["details"]
    assert detail["pointer"] == "/time_intervals/0/time_intervals/0/location"


def webhook(rig: AlertRig, heard: Receiver, **settings: Any) -> None:
    rig.post(
        "/v1/notification-channels",
        {"name": "hook", "type": "webhook", "webhook": {"url": heard.url, **settings}},
    )
    rig.post("/v1/alert-routing", {"route": {"channels": ["hook"], "group_wait": "0s"}})


def test_a_webhook_hears_what_alertmanager_would_say(one: AlertRig) -> None:
    with receiving() as heard:
        webhook(one, heard, bearer_token="s3cret-token")
        one.rule(annotations={"summary": "{{ $labels.instance }} is down"}, severity="page")
        one.now(a=0.0)
        (request,) = heard.heard
    body = orjson.loads(request.body)
    labels = {"alertname": "Down", "instance": "a", "severity": "page"}

    assert request.headers["authorization"] == "Bearer s3cret-token"
    assert (body["version"], body["status"], body["receiver"]) == ("4", "firing", "hook")
    assert body["commonLabels"] == labels
    (alert,) = body["alerts"]
    assert alert["startsAt"] == "2026-04-01T12:00:00Z"
    assert alert["endsAt"] == "0001-01-01T00:00:00Z"
    assert alert["fingerprint"] == fingerprint(labels)
    assert alert["generatorURL"] == "/graph?g0.expr=up+%3D%3D+0&g0.tab=1"
    shown = one.ask("GET", "/v1/notification-channels").text
    assert "s3cret" not in shown
    assert one.get("/v1/notification-channels")["data"][0]["secrets"] == ["bearer_token"]


def test_a_failure_is_tried_again_and_given_up_at_last(one: AlertRig) -> None:
    with receiving() as heard:
        heard.say(500)
        webhook(one, heard)
        one.rule()
        one.now(a=0.0)
        (row,) = one.get("/v1/notifications")["data"]
        assert (row["status"], row["attempts"]) == ("pending", 1)
        assert row["error"].startswith("it answered 500")
        heard.say(200)
        one.step(5, a=0.0)
        (row,) = one.get("/v1/notifications")["data"]
        assert (row["status"], row["attempts"], row["error"]) == ("sent", 2, None)
        assert len({r.headers["x-notification-id"] for r in heard.heard}) == 1


@pytest.mark.slow
def test_a_refusal_is_final_and_told_again_with_the_next_flush(one: AlertRig) -> None:
    with receiving() as heard:
        heard.say(400)
        webhook(one, heard)
        one.rule()
        one.now(a=0.0)
        (row,) = one.get("/v1/notifications")["data"]
        assert (row["status"], row["attempts"]) == ("failed", 1)
        heard.say(200)
        one.step(300, a=0.0)

    assert [n["status"] for n in one.get("/v1/notifications")["data"]] == ["sent", "failed"]


def test_slack(one: AlertRig) -> None:
    with receiving() as heard:
        one.post(
            "/v1/notification-channels",
            {"name": "chat", "type": "slack", "slack": {"url": heard.url, "channel": "#ops"}},
        )
        one.rule(channels=["chat"], annotations={"summary": "<down> & out"})
        one.post("/v1/alert-routing", {"route": {"group_wait": "0s"}})
        one.now(a=0.0)
        one.step(30)
        (request,) = heard.heard
        body = orjson.loads(request.body)
        (row,) = one.get("/v1/notifications")["data"]

    assert body["attachments"][0]["footer"] == row["id"] == request.headers["x-notification-id"]
    assert body["channel"] == "#ops"
    assert body["text"] == "[FIRING:1] Down"
    assert "&lt;down&gt; &amp; out" in body["attachments"][0]["text"]
    assert heard.url not in one.ask("GET", "/v1/notification-channels").text


def test_targets_that_are_not_public_are_refused() -> None:
    with local_server() as server:
        for body in (
            {"name": "x", "type": "webhook", "webhook": {"url": "http://127.0.0.1:1/"}},
            {"name": "x", "type": "slack", "slack": {"url": "http://169.254.169.254/x"}},
            {
                "name": "x",
                "type": "email",
                "email": {"host": "10.0.0.1", "from": "a@b.c", "to": ["a@b.c"]},
            },
        ):
            answer = server.client.post(
                "/v1/notification-channels", json=body, headers=server.bearer()
            )
            assert answer.status_code == 422
            assert answer.json()["error"]["code"] == "target_not_allowed"


def test_events_are_announced(rig: AlertRig) -> None:
    rig.rule(**{"for": "15s"})
    rig.now(a=0.0)
    rig.step(a=0.0)
    rig.post(f"/v1/alerts/{rig.alert()['id']}/silence", {"duration": "1m", "reason": "x"})
    rig.ask("DELETE", f"/v1/alerts/{rig.alert()['id']}/silence")
    rig.step(a=1.0)
    with rig.server.context.database.read(None) as session:
        rows = session.execute(select(Event.type).order_by(Event.at, Event.id)).scalars().all()

    assert [row for row in rows if row.startswith("alert.")] == [
        "alert.pending",
        "alert.firing",
        "alert.silenced",
        "alert.unsilenced",
        "alert.resolved",
    ]
