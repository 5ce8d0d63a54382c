"""One open incident for each key, and one acknowledgement, however many ask at once."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.server.incidents.conftest import Desk


def test_the_key_of_an_open_incident_adds_to_it(desk: Desk) -> None:
    first = desk.open(dedup_key="disk")
    second = desk.open(200, dedup_key="disk", title="worse", severity="sev1", services=[])
    desk.post(f"/incidents/{first['id']}/ack")
    third = desk.open(200, dedup_key="disk")

    assert first["id"] == second["id"] == third["id"]
    assert (second["title"], second["severity"], second["services"]) == ("errors", "sev2", ["api"])
    assert (third["status"], third["triggers"]) == ("acknowledged", 3)
    entries = desk.timeline(first["id"])
    assert [e["type"] for e in entries] == ["triggered", "triggered", "acknowledged", "triggered"]
    assert (entries[1]["data"]["title"], entries[1]["data"]["severity"]) == ("worse", "sev1")


def test_the_key_of_a_resolved_incident_makes_a_related_one(desk: Desk) -> None:
    made = []
    for _ in range(3):
        one = desk.open(dedup_key="disk")
        desk.post(f"/incidents/{one['id']}/resolve", {"note": "done"})
        made.append(one)

    assert [one["related_to"] for one in made] == [None, made[0]["id"], made[1]["id"]]
    assert desk.types(made[0]["id"]) == ["triggered", "resolved"]
    assert desk.open(dedup_key="other")["related_to"] is None
    assert desk.open()["related_to"] is None


def test_without_a_key_every_request_makes_one(desk: Desk) -> None:
    assert desk.open()["id"] != desk.open()["id"]


def at_once(desk: Desk, path: str, bodies: list[Any]) -> list[Any]:
    """Answers to requests that are sent all at the same time."""
    headers = desk.server.bearer()

    def send(body: Any) -> Any:
        return desk.server.client.post(f"/v1{path}", json=body, headers=headers)

    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(send, bodies))


@pytest.mark.slow
def test_fifty_at_once_with_one_key_make_one_incident(desk: Desk) -> None:
    body = {"title": "errors", "severity": "sev2", "services": ["api"], "dedup_key": "storm"}
    answers = at_once(desk, "/incidents", [{**body, "title": f"{n}"} for n in range(50)])

    assert Counter(answer.status_code for answer in answers) == {200: 49, 201: 1}
    (one,) = desk.get("/incidents?status=open")["data"]
    assert {answer.json()["id"] for answer in answers} == {one["id"]}
    assert one["triggers"] == 50
    entries = desk.timeline(one["id"])
    assert [entry["seq"] for entry in entries] == list(range(1, 51))
    assert {entry["data"]["title"] for entry in entries} == {f"{n}" for n in range(50)}


def test_triggers_that_race_with_the_end_are_in_one_incident_or_the_next(desk: Desk) -> None:
    body = {"title": "errors", "severity": "sev2", "services": ["api"], "dedup_key": "storm"}
    first = desk.open(dedup_key="storm")
    with ThreadPoolExecutor(1) as pool:
        end = pool.submit(desk.ask, "POST", f"/incidents/{first['id']}/resolve", {"note": "x"})
        answers = at_once(desk, "/incidents", [body] * 20)
        assert end.result().status_code == 200

    assert {answer.status_code for answer in answers} <= {200, 201}
    assert len(desk.get("/incidents?status=open")["data"]) <= 1
    every = desk.get("/incidents")["data"]
    assert sum(one["triggers"] for one in every) == 21
    assert [one["related_to"] for one in every] in ([None], [first["id"], None])
    assert desk.types(first["id"])[-1] == "resolved"


def test_two_acknowledgements_at_once_are_one_transition(desk: Desk) -> None:
    made = desk.open()
    answers = at_once(desk, f"/incidents/{made['id']}/ack", [{}] * 8)

    assert {answer.status_code for answer in answers} == {200}
    assert desk.types(made["id"]) == ["triggered", "acknowledged"]


def test_two_people_at_once_are_both_acknowledgers(desk: Desk) -> None:
    made = desk.open()
    tokens = [desk.colleague(f"{name}@example.com")[1] for name in ("bob", "eve", "zoe")]
    path = f"/incidents/{made['id']}/ack"
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda token: desk.ask("POST", path, token=token), tokens))

    assert [answer.status_code for answer in found] == [200] * 3
    assert Counter(desk.types(made["id"])) == {
        "triggered": 1,
        "acknowledged": 1,
        "acknowledger_added": 2,
    }
    assert len(desk.get(f"/incidents/{made['id']}")["acknowledged_by"]) == 3


def test_of_two_ends_at_once_one_is_refused(desk: Desk) -> None:
    made = desk.open()
    bodies = [{"note": f"{n}"} for n in range(6)]
    answers = at_once(desk, f"/incidents/{made['id']}/resolve", bodies)

    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 5}
    assert desk.types(made["id"]) == ["triggered", "resolved"]
