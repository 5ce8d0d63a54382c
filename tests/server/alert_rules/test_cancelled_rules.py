"""A rule's query ends when its job does, and that says nothing about the rule's alerts."""

from __future__ import annotations

import pytest

from novaql.server.clock import SteppedClock
from novaql.server.jobs.job import JobCancellation
from tests.support.servers.alert_rig import NOW, AlertRig
from tests.support.servers.http_server import local_server


def test_a_rule_whose_job_is_over_raises_no_alert_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SteppedClock(NOW)
    with local_server(clock=clock) as server:
        rig = AlertRig(server, clock)
        rig.rule(on_error="alerting", annotations={"summary": "{{ $value }}"})
        rig.now(a=0.0)
        assert rig.states() == {"a": "firing"}
        with monkeypatch.context() as patched:
            patched.setattr(JobCancellation, "cancelled", property(lambda _: True))
            rig.step(a=1.0, b=0.0)
        during = (rig.states(), rig.get("/v1/alert-rules")["data"][0])
        rig.step(seconds=60, a=1.0, b=0.0)
        after = (rig.states(), rig.get("/v1/alert-rules")["data"][0])

    assert during[0] == {"a": "firing"}
    assert (during[1]["health"], during[1]["last_error"]) == ("err", "the query was cancelled")
    assert after[0]["b"] == "firing"
    assert after[1]["health"] == "ok"
