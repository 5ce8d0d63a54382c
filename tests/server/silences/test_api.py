"""Silences: of one alert, and of all that matchers match."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from novaql.server.alert_model.identity import matchers_of_alert, silence_id
from novaql.server.auth.bootstrap import add_tenant
from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock, SystemClock, parse_time, rfc3339
from novaql.server.notifications.tables import GroupMember, NotificationGroup
from tests.support.servers.alert_rig import NOW, AlertRig
from tests.support.servers.http_server import token_of

WHY = {"duration": "1h", "reason": "the disk is being replaced"}


def fired(rig: AlertRig, **instances: float) -> str:
    """The id of the alert of `a`."""
    rig.route_to_log(group_interval="15s")
    rig.rule()
    rig.now(**(instances or {"a": 0.0}))
    return str(next(a["id"] for a in rig.alerts() if a["labels"]["instance"] == "a"))


def test_a_silenced_alert_goes_on_firing_and_nobody_is_told(rig: AlertRig) -> None:
    rig.route_to_log(group_interval="15s", group_wait="10s")
    rig.rule()
    rig.now(a=0.0)
    alert_id = rig.alert()["id"]
    silence = rig.post(f"/v1/alerts/{alert_id}/silence", WHY)
    for _ in range(3):
        rig.step(a=0.0)
    alert = rig.alert()
    assert alert["state"] == "firing"
    assert (alert["silenced"], alert["suppressed_by"]) == (True, [silence["id"]])
    assert rig.log() == []
    assert rig.ask("DELETE", f"/v1/alerts/{alert_id}/silence").status_code == 204
    assert rig.alert()["suppressed_by"] == []
    rig.step(a=0.0)

    assert rig.log() == [("new_alerts", 1, 0)]


def test_lifting_a_silence_tells_again_what_was_told_before_it(one: AlertRig) -> None:
    alert_id = fired(one)
    assert one.log() == [("new_alerts", 1, 0)]
    one.post(f"/v1/alerts/{alert_id}/silence", WHY)
    one.step(a=0.0)
    one.ask("DELETE", f"/v1/alerts/{alert_id}/silence")
    one.step(a=0.0)

    assert one.log() == [("new_alerts", 1, 0), ("new_alerts", 1, 0)]


@pytest.mark.slow
def test_lifting_a_silence_over_many_alerts_reaches_every_group(one: AlertRig) -> None:
    one.route_to_log(group_by=["instance"], group_wait="1h")
    one.rule()
    one.now(**{f"i{number:03}": 0.0 for number in range(520)})
    database, tenant_id = (
        one.server.context.database,
        one.server.context.access.default_principal.tenant_id,
    )
    with database.write(tenant_id) as session:
        for member in session.execute(select(GroupMember)).scalars():
            group = session.get_one(NotificationGroup, member.group_id)
            told = {"at": rfc3339(NOW), "firing": [member.alert_id], "resolved": []}
            group.notified = {"log": told}
    matchers = [{"name": "alertname", "op": "=", "value": "Down"}]
    silence = one.post("/v1/silences", {"matchers": matchers, **WHY})
    assert one.ask("DELETE", f"/v1/silences/{silence['id']}").status_code == 204

    with database.read(tenant_id) as session:
        groups = session.execute(select(NotificationGroup)).scalars().all()
    assert len(groups) == 520
    assert [group.id for group in groups if group.notified["log"]["firing"]] == []


def test_a_silence_ends_by_itself(one: AlertRig) -> None:
    one.route_to_log(group_interval="15s", group_wait="1s")
    one.rule()
    one.now(a=0.0)
    alert_id = one.alert()["id"]
    one.post(f"/v1/alerts/{alert_id}/silence", {**WHY, "duration": "20s"})
    one.step(a=0.0)
    assert one.log() == []
    one.step(a=0.0)
    one.step(a=0.0)

    assert one.log() == [("new_alerts", 1, 0)]
    assert one.get("/v1/silences?state=active")["data"] == []
    assert one.ask("DELETE", f"/v1/alerts/{alert_id}/silence").status_code == 404


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        {"duration": "-5m", "reason": "x"},
        {"duration": "0", "reason": "x"},
        {"duration": "0s", "reason": "x"},
        {"duration": "5x", "reason": "x"},
        {"duration": "367d", "reason": "x"},
        {"duration": "5m", "reason": "  "},
        {"duration": "5m", "reason": ""},
        {"duration": "5m"},
        {"reason": "x"},
        {"duration": 300, "reason": "x"},
        {"duration": "5m", "reason": "x", "more": 1},
    ],
)
def test_what_is_no_silence(one: AlertRig, body: dict[str, object]) -> None:
    alert_id = fired(one)
    answer = one.ask("POST", f"/v1/alerts/{alert_id}/silence", body)

    assert answer.status_code == 400
    assert answer.json()["error"]["details"]


def test_a_silence_is_as_long_as_its_duration(
    one: AlertRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert_id = fired(one)
    tick = timedelta(milliseconds=1)
    monkeypatch.setattr(SteppedClock, "now", lambda clock: clock.step(tick))
    made = one.post(f"/v1/alerts/{alert_id}/silence", WHY)
    assert parse_time(made["ends_at"]) - parse_time(made["starts_at"]) == timedelta(hours=1)


def test_a_year_is_a_duration(one: AlertRig) -> None:
    made = one.ask("POST", f"/v1/alerts/{fired(one)}/silence", {"duration": "1y", "reason": "x"})

    assert made.status_code == 201, made.text
    starts, ends = (datetime.fromisoformat(made.json()[name]) for name in ("starts_at", "ends_at"))
    assert ends - starts == timedelta(days=365)


def test_the_id_is_a_function_of_tenant_and_labels(rig: AlertRig) -> None:
    alert_id = fired(rig, a=0.0, b=0.0)
    other = next(a["id"] for a in rig.alerts() if a["id"] != alert_id)
    path = f"/v1/alerts/{alert_id}/silence"
    answers = [rig.ask("POST", path, {**WHY, "reason": f"{n}"}) for n in range(3)]
    assert [answer.status_code for answer in answers] == [201, 200, 200]
    silences = [answer.json() for answer in answers]
    assert len({one["id"] for one in silences}) == 1
    assert [one["revision"] for one in silences] == [1, 2, 3]
    assert [one["reason"] for one in silences[-1]["revisions"]] == ["0", "1", "2"]
    tenant = rig.ask("GET", "/v1/session").json()["tenant_id"]
    labels = {"alertname": "Down", "instance": "a"}
    assert silences[0]["id"] == silence_id(tenant, matchers_of_alert(labels))
    assert rig.post(f"/v1/alerts/{other}/silence", WHY)["id"] != silences[0]["id"]
    rig.ask("DELETE", path)
    again = rig.ask("POST", path, WHY)

    assert again.status_code == 201
    assert (again.json()["id"], again.json()["revision"]) == (silences[0]["id"], 4)


def test_only_silences_of_the_alert_are_lifted(one: AlertRig) -> None:
    alert_id = fired(one)
    path = f"/v1/alerts/{alert_id}/silence"
    assert one.ask("DELETE", path).status_code == 404
    broad = one.post(
        "/v1/silences",
        {"matchers": [{"name": "alertname", "op": "=~", "value": "Do.*"}], **WHY},
    )
    own = one.post(path, WHY)
    assert one.alert()["suppressed_by"] == sorted([broad["id"], own["id"]])
    lifted = one.ask("DELETE", path)
    assert (lifted.status_code, lifted.content) == (204, b"")
    assert lifted.headers["suppressed-by"] == broad["id"]
    assert one.alert()["suppressed_by"] == [broad["id"]]
    assert one.ask("DELETE", path).status_code == 404
    assert one.ask("DELETE", f"/v1/silences/{broad['id']}").status_code == 204
    assert one.ask("DELETE", f"/v1/silences/{broad['id']}").status_code == 404

    assert one.alert()["suppressed_by"] == []
    assert [s["state"] for s in one.get("/v1/silences")["data"]] == ["expired", "expired"]


@pytest.mark.slow
def test_until_resolved(rig: AlertRig) -> None:
    alert_id = fired(rig)
    path = f"/v1/alerts/{alert_id}/silence"
    body = {"reason": "known", "until_resolved": True}
    assert rig.post(path, body)["ends_at"] is None
    rig.step(a=0.0)
    assert rig.alert()["silenced"] is True
    rig.step(a=1.0)
    assert rig.alert()["silenced"] is False
    rig.step(a=0.0)
    rig.step(a=0.0)

    assert rig.alert()["silenced"] is False
    rig.step(a=1.0)
    refused = rig.ask("POST", path, body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "alert_resolved")


@pytest.mark.parametrize(
    ("matchers", "pointer"),
    [
        ([{"name": "a", "op": "=~", "value": ".*"}], "/matchers"),
        ([{"name": "a", "op": "!=", "value": "b"}], "/matchers"),
        ([{"name": "a", "op": "=~", "value": "(a"}], "/matchers/0"),
        ([{"name": "a", "op": "=~", "value": r"\pL{80}"}], "/matchers/0"),
        ([{"name": "a", "op": "=~", "value": "x" * 1000 + "("}], "/matchers/0/value"),
        ([], "/matchers"),
    ],
)
def test_matchers_that_would_silence_everything_or_nothing(
    one: AlertRig, matchers: list[dict[str, str]], pointer: str
) -> None:
    answer = one.ask("POST", "/v1/silences", {"matchers": matchers, **WHY})

    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["pointer"] == pointer


def test_a_hostile_pattern_hangs_nobody(one: AlertRig) -> None:
    fired(one)
    pattern = "(a*)*b" * 20
    one.post(
        "/v1/silences", {"matchers": [{"name": "instance", "op": "=~", "value": pattern}], **WHY}
    )
    one.step(**{"a" * 200: 0.0})

    assert one.states()["a" * 200] == "firing"


@pytest.mark.slow
def test_another_tenant_has_other_ids(one: AlertRig) -> None:
    alert_id = fired(one)
    mine = one.post(f"/v1/alerts/{alert_id}/silence", WHY)["id"]
    database = one.server.context.database
    other = add_tenant(database, SystemClock(), "other").id
    token = token_of(database, other, Role.ADMIN, "eve@example.com")
    headers = {"Authorization": f"Bearer {token}"}
    foreign = one.server.client.post(f"/v1/alerts/{alert_id}/silence", json=WHY, headers=headers)

    assert foreign.status_code == 404
    labels = {"alertname": "Down", "instance": "a"}
    assert silence_id(other, matchers_of_alert(labels)) != mine


@pytest.mark.slow
def test_a_pending_silence_begins_later(one: AlertRig) -> None:
    fired(one)
    body = {
        "matchers": [{"name": "instance", "value": "a"}],
        "starts_at": "2026-04-01T12:01:00Z",
        "ends_at": "2026-04-01T12:02:00Z",
        "reason": "later",
    }
    assert one.post("/v1/silences", body)["state"] == "pending"
    assert one.alert()["silenced"] is False
    one.step(60, a=0.0)
    assert one.alert()["silenced"] is True
    one.step(60, a=0.0)

    assert one.alert()["silenced"] is False


def test_an_active_silence_does_not_begin_later(one: AlertRig) -> None:
    fired(one)
    matchers = [{"name": "instance", "value": "a"}]
    active = {"matchers": matchers, "duration": "1h", "reason": "now"}
    made = one.post("/v1/silences", active)
    later = {**active, "starts_at": "2026-05-01T12:00:00Z"}
    answer = one.ask("POST", "/v1/silences", later)

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "silence_active")
    assert one.get(f"/v1/silences/{made['id']}")["state"] == "active"
    assert one.alert()["silenced"] is True


def test_the_audit_log_has_the_silence_before_its_change(one: AlertRig) -> None:
    fired(one)
    matchers = [{"name": "instance", "value": "a"}]
    one.post("/v1/silences", {"matchers": matchers, "duration": "1h", "reason": "one"})
    one.post("/v1/silences", {"matchers": matchers, "duration": "2h", "reason": "two"}, 200)
    alert = one.alert()["id"]
    one.post(f"/v1/alerts/{alert}/silence", {"duration": "1h", "reason": "three"})
    one.post(f"/v1/alerts/{alert}/silence", {"duration": "2h", "reason": "four"}, 200)

    entries = one.get("/v1/audit?limit=4")["data"]
    reasons = [
        (entry["before"] and entry["before"]["reason"], entry["after"]["reason"])
        for entry in reversed(entries)
    ]
    assert reasons == [(None, "one"), ("one", "two"), (None, "three"), ("three", "four")]


def test_a_revision_has_the_time_at_which_it_was_made(one: AlertRig) -> None:
    body = {"matchers": [{"name": "instance", "value": "a"}], "duration": "1h", "reason": "later"}
    one.post("/v1/silences", {**body, "starts_at": "2026-05-01T12:00:00Z"})
    made = one.post("/v1/silences", {**body, "starts_at": "2026-06-01T12:00:00Z"}, 200)

    assert [one["made_at"] for one in made["revisions"]] == [made["updated_at"]] * 2


def test_a_silence_that_would_end_after_the_last_year(one: AlertRig) -> None:
    matchers = [{"name": "instance", "value": "a"}]
    body = {"matchers": matchers, "duration": "1d", "reason": "x"}
    answer = one.ask("POST", "/v1/silences", {**body, "starts_at": "9999-12-31T12:00:00Z"})

    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["pointer"] == "/starts_at"
