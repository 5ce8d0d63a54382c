"""The trial of a rule is that of its evaluations: each is an instant query."""

from __future__ import annotations

from datetime import timedelta

import pytest

from novaql.server.clock import to_ms
from tests.support.servers.alert_rig import NOW, AlertRig, down

MINUTE_MS = 60_000
VALUES = (1, 1, 0, 0, None, None, None, None, None, None, None, None, None, 1, 0, 0, 1, 1)
"""One a minute. The gap is longer than the lookback."""


@pytest.fixture
def past(one: AlertRig) -> AlertRig:
    """A server with samples of the last minutes."""
    start = to_ms(NOW)
    for instance, shift in (("a", 0), ("b", 3)):
        shifted = VALUES[shift:] + VALUES[:shift]
        points = [
            (start + MINUTE_MS * n, float(value))
            for n, value in enumerate(shifted)
            if value is not None
        ]
        one.server.write([({"__name__": "up", "instance": instance}, points)])
    one.clock.step(timedelta(hours=1))
    return one


@pytest.mark.parametrize(
    ("expr", "offset_s"),
    [
        ("up == 0", 90),
        ("(up default 0) == 0", 90),
        ("(up default 0) == 0", 0),
        ("range_max(up) == 0", 0),
        ("keep_last_value(up) == 0", 0),
        ("running_sum(up) == 0", 0),
        ("up{instance='a'} offset 1m == 0 and on () (up{instance='a'} @ end() == 1)", 0),
        ("topk(1, up == 0)", 0),
        ("rate(up) < 0.001", 0),
        ("up == 0 unless on () vector(step()) > 0", 0),
    ],
)
def test_a_trial_reads_no_other_step(past: AlertRig, expr: str, offset_s: int) -> None:
    steps = range(len(VALUES))
    firing: dict[int, set[str]] = {}
    for step in steps:
        at = to_ms(NOW) / 1000 + 60 * step - offset_s
        found = past.server.prometheus("query", query=expr, time=at).json()
        assert found["status"] == "success", found
        firing[step] = {one["metric"].get("instance", "") for one in found["data"]["result"]}
    rule = down(expr=expr, interval="1m", query_offset=f"{offset_s}s")
    body = {"rule": rule, "start": "2026-04-01T12:00:00Z", "end": "2026-04-01T12:17:00Z"}
    tried = past.post("/v1/alert-rules/test", body, 200)

    assert tried["evaluations"] == len(VALUES)
    for instance in ("a", "b"):
        states = [instance in firing[step] for step in steps]
        wanted = [
            (f"2026-04-01T12:{step:02}:00Z", "firing" if now else "resolved")
            for step, now, before in zip(steps, states, [False, *states], strict=False)
            if now != before
        ]
        found = [one for one in tried["alerts"] if one["labels"].get("instance") == instance]
        transitions = [one for alert in found for one in alert["transitions"]]
        assert [(one["at"], one["state"]) for one in transitions] == wanted
