"""Syncs: pages, counts, vanished resources, faults, and resuming."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from novaql.server.db.tables import Event, Job
from novaql.server.history import RETENTIONS
from novaql.server.integrations.tables import IntegrationResource
from novaql.server.jobs.housekeeping import forget
from novaql.server.jobs.job import JobCancellation
from tests.support.servers.fake_provider import KEY
from tests.support.servers.integration_rig import IntegrationRig, integration_rig


def service(name: str, **more: Any) -> dict[str, Any]:
    return {"kind": "service", "id": f"s-{name}", "name": name, **more}


def resources(rig: IntegrationRig) -> dict[str, IntegrationResource]:
    with rig.server.context.database.read(None) as session:
        found = session.execute(select(IntegrationResource)).scalars()
        return {row.external_id: row for row in found}


def events(rig: IntegrationRig, type_: str) -> list[Event]:
    with rig.server.context.database.read(None) as session:
        return list(session.execute(select(Event).where(Event.type == type_)).scalars())


def test_the_first_sync_follows_the_connection_and_reads_every_page(rig: IntegrationRig) -> None:
    rig.fake.resources = [service(f"n{n}") for n in range(5)]
    rig.connect_key()
    rig.server.run_jobs()

    (sync,) = rig.get("/fake/syncs")["data"]
    assert (sync["status"], sync["source"], sync["pages"]) == ("succeeded", "connect", 3)
    assert sync["counts"] == {"service": {"added": 5}}
    assert len(rig.get("/fake/resources?kind=service")["data"]) == 5
    status = rig.get("/fake/status")
    assert (status["healthy"], status["sync_lag_s"]) == (True, 0)


def test_a_second_sync_changes_nothing_and_marks_what_has_vanished(rig: IntegrationRig) -> None:
    rig.fake.resources = [service("a"), service("b"), service("c")]
    rig.connect_key()
    rig.server.run_jobs()
    rig.clock.step(timedelta(seconds=60))
    rig.fake.resources = [service("a"), service("b", data={"tier": 1}), service("d")]
    rig.post("/fake/sync", expect=202)
    rig.server.run_jobs()

    newest = rig.get("/fake/syncs")["data"][0]
    assert newest["counts"]["service"] == {"unchanged": 1, "changed": 1, "added": 1, "vanished": 1}
    found = resources(rig)
    assert len(found) == 4
    assert [key for key, row in found.items() if row.vanished_at] == ["s-c"]
    assert len(rig.get("/fake/resources?vanished=true")["data"]) == 1
    assert len(events(rig, "integration.resources_changed")) == 4  # one for each page with changes


def test_what_comes_back_is_no_longer_vanished(rig: IntegrationRig) -> None:
    rig.fake.resources = [service("a")]
    rig.connect_key()
    for listed in ([], [service("a")]):
        rig.step(1)
        rig.fake.resources = listed
        rig.post("/fake/sync", expect=202)
        rig.server.run_jobs()

    assert resources(rig)["s-a"].vanished_at is None
    assert len(resources(rig)) == 1


def test_two_syncs_at_once_are_a_conflict(rig: IntegrationRig) -> None:
    rig.connect_key()
    rig.server.run_jobs()
    first = rig.post("/fake/sync", expect=202)
    second = rig.ask("POST", "/fake/sync")

    assert second.status_code == 409
    assert second.json()["error"]["code"] == "sync_in_progress"
    assert first["sync_id"] in second.json()["error"]["message"]
    rig.server.run_jobs()
    rig.post("/fake/sync", expect=202)


def test_syncs_are_scheduled(rig: IntegrationRig) -> None:
    rig.connect_key()
    rig.server.run_jobs()
    rig.step(899)
    assert len(rig.get("/fake/syncs")["data"]) == 1
    rig.step(1)
    assert [one["source"] for one in rig.get("/fake/syncs")["data"]] == ["schedule", "connect"]


def test_an_interrupted_sync_resumes_behind_its_last_stored_page(rig: IntegrationRig) -> None:
    rig.fake.resources = [service(f"n{n}") for n in range(4)]
    rig.connect_key()
    page = rig.fake.page("0")
    rig.fake.fail("/resources", page, (500, {}))
    rig.server.run_jobs()

    (sync,) = rig.get("/fake/syncs")["data"]
    assert (sync["status"], sync["pages"], sync["cursor"]) == ("running", 1, "2")
    assert sync["error"]["reason_code"] == "provider_error"
    asked = len(rig.fake.asked)
    rig.step(5)
    (sync,) = rig.get("/fake/syncs")["data"]
    assert sync["status"] == "succeeded"
    assert sync["counts"] == {"service": {"added": 4}}
    assert rig.fake.asked[asked:] == ["/resources"]  # the second page alone


@pytest.mark.parametrize(("stops_at", "reason"), [(1, None), (0, "timeout")])
def test_a_sync_ends_with_its_server_and_resumes(
    rig: IntegrationRig, monkeypatch: pytest.MonkeyPatch, stops_at: int, reason: str | None
) -> None:
    requests = iter(range(100))
    stops = property(lambda _: next(requests) == stops_at)
    rig.fake.resources = [service(f"n{n}") for n in range(5)]
    rig.connect_key()
    asked = len(rig.fake.asked)
    with monkeypatch.context() as patched:
        patched.setattr(JobCancellation, "cancelled", stops)
        with pytest.raises(RuntimeError, match="more than 1 jobs"):
            rig.server.runner.run_due(most=1)
    (sync,) = rig.get("/fake/syncs")["data"]
    assert (sync["status"], sync["pages"]) == ("running", stops_at)
    assert (sync["error"] or {"reason_code": None})["reason_code"] == reason
    rig.step(5)

    (sync,) = rig.get("/fake/syncs")["data"]
    assert (sync["status"], sync["counts"]) == ("succeeded", {"service": {"added": 5}})
    assert rig.fake.asked[asked:] == ["/resources"] * 3


def test_a_sync_fails_after_some_attempts_and_the_next_one_begins_again() -> None:
    with integration_rig(integration_sync_tries=2) as rig:
        rig.fake.fail("/resources", *[(500, {})] * 2)
        rig.connect_key()
        for _ in range(4):
            rig.step(5)

        (sync,) = rig.get("/fake/syncs")["data"]
        assert sync["status"] == "failed"
        status = rig.get("/fake/status")
        assert status["last_error"]["reason_code"] == "provider_error"
        assert (status["healthy"], status["status"]) == (False, "connected")
        assert len(events(rig, "integration.sync_failed")) == 1
        rig.step(900)
        assert rig.get("/fake/syncs")["data"][0]["status"] == "succeeded"
        assert rig.get("/fake/status")["healthy"] is True


@pytest.mark.parametrize(
    ("page", "detail"),
    [
        ({"resources": [{"kind": "planet", "id": "1", "name": "x"}], "next": None}, "planet"),
        ({"resources": [{"kind": "service", "id": "", "name": "x"}], "next": None}, "no id"),
        ({"resources": [{"name": "x"}], "next": None}, "KeyError"),
        ([], "page"),
        (b"<html>", "not JSON"),
        (b'{"resources": [{"kind": "service", "id": "1", "name": "a\\u0000b"}]}', "NUL"),
        (b"[" * 100_000, "not JSON"),
        (b'{"resources": [1e999]}', "not JSON"),
        ({"resources": [service("x")] * 201, "next": None}, "201 resources|200 resources"),
        ({"resources": [], "next": "x" * 9000}, "cursor"),
    ],
)
def test_a_page_that_makes_no_sense_is_a_provider_error(page: Any, detail: str) -> None:
    with integration_rig(integration_sync_tries=1) as rig:
        rig.fake.fail("/resources", (200, page))
        rig.connect_key()
        rig.server.run_jobs()

        (sync,) = rig.get("/fake/syncs")["data"]
        assert (sync["status"], sync["error"]["reason_code"]) == ("failed", "provider_error")
        assert re.search(detail, sync["error"]["detail"])
        assert resources(rig) == {}


def test_pages_and_answers_and_resources_are_bounded() -> None:
    with integration_rig(
        integration_max_pages=2,
        integration_sync_tries=1,
        max_integration_resources=3,
        integration_page_bytes=2000,
    ) as rig:
        rig.fake.resources = [service(f"n{n}") for n in range(9)]
        rig.connect_key()
        rig.server.run_jobs()
        (sync,) = rig.get("/fake/syncs")["data"]
        assert (sync["status"], sync["pages"]) == ("failed", 2)
        assert sync["counts"] == {"service": {"added": 3, "skipped": 1}}
        assert "more than 2 pages" in sync["error"]["detail"]

        rig.step(1)
        rig.fake.resources = [service("x", data={"text": "y" * 3000})]
        rig.post("/fake/sync", expect=202)
        rig.server.run_jobs()
        assert "larger than 2000 bytes" in rig.get("/fake/syncs")["data"][0]["error"]["detail"]


def test_deploys_take_no_place_of_other_resources() -> None:
    with integration_rig(max_integration_resources=1) as rig:
        rig.fake.page_size = 9
        deploys = [{"kind": "deploy", "id": f"d{n}", "name": "d"} for n in range(3)]
        rig.fake.resources = [*deploys, service("a"), service("b")]
        rig.connect_key()
        rig.server.run_jobs()

        assert rig.get("/fake/syncs")["data"][0]["counts"] == {
            "deploy": {"added": 3},
            "service": {"added": 1, "skipped": 1},
        }


def test_resources_that_return_count_towards_the_limit() -> None:
    with integration_rig(max_integration_resources=2) as rig:
        rig.fake.page_size = 9
        for number, names in enumerate(("ab", "", "cd", "abcd")):
            rig.fake.resources = [service(name) for name in names]
            if number:
                rig.post("/fake/sync", expect=202)
            else:
                rig.connect_key()
            rig.step(1)

        assert rig.get("/fake/syncs")["data"][0]["counts"] == {
            "service": {"unchanged": 2, "skipped": 2}
        }
        left = {key for key, row in resources(rig).items() if row.vanished_at is None}
        assert left == {"s-c", "s-d"}


@pytest.mark.slow
@pytest.mark.parametrize("at", ["2099-01-01T00:00:00Z", None])
def test_of_deploys_the_newest_are_retained_whatever_their_time(at: str | None) -> None:
    with integration_rig(max_history=2) as rig:
        time = {} if at is None else {"at": at}
        for number in range(4):
            rig.fake.resources.append({"kind": "deploy", "id": f"d{number}", "name": "d", **time})
            if number:
                rig.post("/fake/sync", expect=202)
            else:
                rig.connect_key()
            rig.step(1)
        forget(rig.server.context, RETENTIONS)

        assert set(resources(rig)) == {"d2", "d3"}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((401, {}), "unauthorized"),
        ((403, {}), "forbidden_scope"),
        ((429, {}), "rate_limited"),
        ((500, {}), "provider_error"),
        ((302, {"to": "http://127.0.0.1:1/"}), "provider_error"),
        ((200, b"<html>"), "provider_error"),
        ((200, {}), "provider_error"),
    ],
)
def test_a_failed_test_is_a_200_with_its_reason(
    rig: IntegrationRig, answer: tuple[int, Any], reason: str
) -> None:
    rig.connect_key()
    rig.fake.fail("/me", answer)
    tested = rig.post("/fake/test")

    assert (tested["ok"], tested["reason_code"]) == (False, reason)
    assert rig.get("/fake/status")["last_error"]["reason_code"] == reason
    again = rig.post("/fake/test")
    assert (again["ok"], again["reason_code"], again["detail"]) == (True, None, "connected as Ada")
    assert rig.get("/fake/status")["last_error"] is None


def test_disconnecting_revokes_deletes_and_cancels(rig: IntegrationRig) -> None:
    rig.connect_oauth()
    rig.post("/fake/connect", {"flow": "device"})
    assert len(rig.fake.access) == 2
    answer = rig.ask("DELETE", "/fake")

    assert answer.status_code == 204
    assert "/revoke" in rig.fake.asked
    assert len(rig.fake.access) == 1  # the key alone
    row = rig.row()
    assert (row.status, row.credentials, row.pending) == ("disconnected", None, None)
    assert rig.get("/fake/syncs")["data"][0]["status"] == "cancelled"
    with rig.server.context.database.read(None) as session:
        kinds = session.execute(select(Job.kind)).scalars().all()
    assert not [kind for kind in kinds if kind.startswith("integrations.")]
    assert rig.ask("DELETE", "/fake").status_code == 404
    assert rig.ask("POST", "/fake/test").status_code == 409
    assert rig.status() == "disconnected"


def test_a_provider_that_does_not_revoke_is_disconnected_all_the_same(
    rig: IntegrationRig,
) -> None:
    rig.connect_key()
    rig.fake.fail("/revoke", (500, {}))

    assert rig.ask("DELETE", "/fake").status_code == 204
    assert rig.row().credentials is None


def test_disconnecting_during_a_sync_ends_it(rig: IntegrationRig) -> None:
    rig.fake.resources = [service(f"n{n}") for n in range(4)]
    rig.connect_key()
    rig.fake.fail("/resources", (500, {}))
    rig.server.run_jobs()
    rig.ask("DELETE", "/fake")
    rig.step(2000)

    assert [one["status"] for one in rig.get("/fake/syncs")["data"]] == ["cancelled"]
    assert resources(rig) == {}
    rig.fake.access.add(KEY)
    rig.connect_key()
    rig.server.run_jobs()
    assert len(resources(rig)) == 4
