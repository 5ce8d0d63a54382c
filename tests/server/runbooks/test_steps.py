"""What the steps of a runbook do, over real connections."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.support.peers.receiver import Receiver
from tests.support.servers.agent_rig import code_of
from tests.support.servers.runbook_rig import APPROVAL, WAIT, RunbookRig, http, query, statuses


def test_an_http_step_sends_one_request(rig: RunbookRig, receiver: Receiver) -> None:
    body = {"service": "${service}", "nested": [{"note": "a ${service} b"}]}
    step = http(
        f"{receiver.url}/restart/${{service}}?why=${{why}}",
        headers={"X-Why": "${why}"},
        json=body,
    )
    parameters = [{"name": "service"}, {"name": "why", "default": "slow"}]
    runbook = rig.runbook(step, parameters=parameters)
    run = rig.run(runbook, parameters={"service": 'a/b?c="d"'})

    assert (run["status"], statuses(run)) == ("succeeded", ["succeeded"])
    (heard,) = receiver.heard
    assert heard.path == "/restart/a%2Fb%3Fc%3D%22d%22?why=slow"
    assert heard.headers["x-why"] == "slow"
    assert heard.headers["idempotency-key"] == f"{run['id']}-0"
    sent = json.loads(heard.body)
    assert sent == {"service": 'a/b?c="d"', "nested": [{"note": 'a a/b?c="d" b'}]}
    assert run["steps"][0]["output"] == "told 200"


def test_an_unexpected_status_fails_the_run(rig: RunbookRig, receiver: Receiver) -> None:
    receiver.say(503)
    runbook = rig.runbook(http(receiver.url), WAIT)
    run = rig.run(runbook)
    assert (run["status"], statuses(run)) == ("failed", ["failed"])
    assert "503" in run["reason"]
    expected = rig.runbook(http(receiver.url, expect_status=[503]), name="expected")
    assert rig.run(expected)["status"] == "succeeded"


def test_a_run_goes_on_after_a_failure_if_the_step_says_so(
    rig: RunbookRig, receiver: Receiver
) -> None:
    receiver.say(500, 200)
    first = http(f"{receiver.url}/1", on_failure="continue")
    run = rig.run(rig.runbook(first, http(f"{receiver.url}/2", name="second")))
    assert (run["status"], statuses(run)) == ("succeeded", ["failed", "succeeded"])
    assert run["reason"] == "went on after: call"


def test_a_run_without_a_step_that_succeeded_is_failed(rig: RunbookRig, receiver: Receiver) -> None:
    receiver.say(500)
    step = http(receiver.url, on_failure="continue")
    run = rig.run(rig.runbook(step, {**step, "name": "second"}))
    assert (run["status"], statuses(run)) == ("failed", ["failed", "failed"])
    assert run["reason"] == "went on after: call, second"


def test_an_idempotent_step_is_retried(rig: RunbookRig, receiver: Receiver) -> None:
    receiver.say(500, 500, 200)
    step = http(receiver.url, idempotent=True, retries=2, retry_wait="10s")
    run = rig.run(rig.runbook(step))
    assert (run["status"], statuses(run), len(receiver.heard)) == ("waiting", ["waiting"], 1)
    rig.step(seconds=10)
    rig.step(seconds=10)
    run = rig.look(run["id"])
    assert (run["status"], run["steps"][0]["attempt"]) == ("succeeded", 3)
    assert len({one.headers["idempotency-key"] for one in receiver.heard}) == 1


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ({}, "succeeded"),
        ({"op": ">", "threshold": 3}, "succeeded"),
        ({"op": ">", "threshold": 3, "match": "all"}, "failed"),
        ({"op": ">=", "threshold": 1.0, "match": "all"}, "succeeded"),
        ({"op": ">", "threshold": 7}, "failed"),
    ],
)
def test_a_query_step_is_a_condition(
    rig: RunbookRig, condition: dict[str, object], status: str
) -> None:
    one, five = (f'label_replace(vector({n}), "a", "{n}", "", "")' for n in (1, 5))
    expr = f"{one} or {five}"
    run = rig.run(rig.runbook(query(expr, **condition)))
    assert (run["status"], statuses(run)) == (status, [status])
    assert "= 5" in run["steps"][0]["output"]


def test_a_query_without_values_does_not_hold(rig: RunbookRig) -> None:
    run = rig.run(rig.runbook(query("absent_metric")))
    assert (run["status"], run["steps"][0]["output"]) == ("failed", "")


def test_no_value_changes_the_structure_of_a_query(rig: RunbookRig) -> None:
    step = query('vector(1) unless up{job="${job}"}')
    runbook = rig.runbook(step, parameters=[{"name": "job"}])
    run = rig.run(runbook, parameters={"job": 'x"} or vector(7) or up{a="'})
    assert "7" not in run["steps"][0]["output"]
    assert run["status"] == "succeeded"
    outside = rig.runbook(query("up or ${n}"), name="n", parameters=[{"name": "n"}])
    for text in ("up) or (up", "1 or 2", "by"):
        body = {"parameters": {"n": text}}
        answer = rig.ask("POST", f"/v1/runbooks/{outside['id']}/run", body)
        assert code_of(answer) == (422, "invalid_parameter")


def test_a_wait_takes_its_time_and_no_thread(rig: RunbookRig, receiver: Receiver) -> None:
    run = rig.run(rig.runbook(WAIT, http(receiver.url)))
    assert (run["status"], statuses(run)) == ("waiting", ["waiting"])
    rig.step(seconds=29)
    assert rig.look(run["id"])["status"] == "waiting"
    rig.step(seconds=1)
    run = rig.look(run["id"])
    assert (run["status"], statuses(run)) == ("succeeded", ["succeeded", "succeeded"])
    assert run["duration_s"] == 30


def test_a_message_is_queued_once_for_its_channel(rig: RunbookRig) -> None:
    channel = rig.post("/v1/notification-channels", {"name": "ops", "type": "sink"})["id"]
    step = {"name": "say", "type": "notify", "channel": "ops", "message": "restarting ${what}"}
    runbook = rig.runbook(step, parameters=[{"name": "what"}])
    run = rig.run(runbook, parameters={"what": "checkout"})
    assert run["status"] == "succeeded"
    (message,) = rig.get(f"/v1/notification-channels/{channel}/messages")["data"]
    assert message["message"] == {"title": "rb", "text": "restarting checkout"}
    assert (message["why"], message["status"]) == ("runbook", "sent")
    assert run["steps"][0]["output"] == message["id"]


def test_a_message_arrives_as_text(rig: RunbookRig, receiver: Receiver) -> None:
    for kind in ("slack", "webhook"):
        body = {"name": kind, "type": kind, kind: {"url": f"{receiver.url}/{kind}"}}
        rig.post("/v1/notification-channels", body)
        step = {"name": "say", "type": "notify", "channel": kind, "message": "now"}
        assert rig.run(rig.runbook(step, name=kind))["status"] == "succeeded"
    slack = json.loads(receiver.of("/slack")[0].body)
    assert (slack["text"], slack["attachments"][0]["text"]) == ("[RUNBOOK] slack", "now")
    assert json.loads(receiver.of("/webhook")[0].body)["message"]["text"] == "now"


def test_an_approval_step_waits_for_others(rig: RunbookRig, receiver: Receiver) -> None:
    step = {**APPROVAL, "approvals": 2}
    run = rig.run(rig.runbook(step, http(receiver.url)), by="bob")
    assert (run["status"], run["steps"][0]["detail"]) == ("waiting", "go on?")
    assert code_of(rig.decide_run(run, by="bob", step=0)) == (403, "self_approval")
    assert rig.decide_run(run, by="eve", step=0).json()["status"] == "waiting"
    assert code_of(rig.decide_run(run, by="eve", step=0)) == (409, "already_approved")
    assert rig.decide_run(run, by="joe", step=0).status_code == 200
    assert code_of(rig.decide_run(run, by="ada", step=0)) == (409, "action_decided")
    rig.server.run_jobs()
    run = rig.look(run["id"])
    assert (run["status"], len(receiver.heard)) == ("succeeded", 1)


def test_an_approval_step_can_be_for_administrators(rig: RunbookRig) -> None:
    run = rig.run(rig.runbook({**APPROVAL, "role": "admin"}), by="bob")
    assert code_of(rig.decide_run(run, by="eve", step=0)) == (403, "not_an_approver")
    assert rig.decide_run(run, by="ada", step=0).status_code == 200


@pytest.mark.parametrize("on_failure", ["stop", "continue"])
def test_a_rejected_or_late_approval_step_ends_the_run(
    rig: RunbookRig, receiver: Receiver, on_failure: str
) -> None:
    step = {**APPROVAL, "timeout": "5m", "on_failure": on_failure}
    runbook = rig.runbook(step, http(receiver.url))
    run = rig.run(runbook)
    assert rig.decide_run(run, "reject", step=0, reason="no").json()["status"] == "rejected"
    late = rig.run(runbook)
    rig.clock.step(timedelta(minutes=5))
    assert code_of(rig.decide_run(late, step=0)) == (409, "action_expired")
    rig.server.run_jobs()
    late = rig.look(late["id"])
    assert (late["status"], statuses(late)) == ("timed_out", ["timed_out"])
    assert receiver.heard == []


def test_without_an_executor_a_script_is_refused(rig: RunbookRig) -> None:
    step = {"name": "s", "type": "script", "executor": "restart", "parameters": {}}
    answer = rig.ask("POST", "/v1/runbooks", {"name": "s", "steps": [step]})
    assert code_of(answer) == (422, "executor_unknown")
    assert answer.json()["error"]["details"][0]["pointer"] == "/steps/0/executor"
