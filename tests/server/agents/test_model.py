"""Trust scores, scopes and decisions, as functions."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.server.agents.model import (
    Outcome,
    Status,
    Tally,
    content_hash,
    is_capable,
    outside_scope,
    refusal_of_decision,
    score_of,
    wilson_lower_bound,
)

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
MONTH = timedelta(days=30)
COUNTS = st.floats(0, 1e6)
INPUTS = st.fixed_dictionaries({one.value: COUNTS for one in Outcome})


@pytest.mark.parametrize(
    ("successes", "total", "bound"),
    [
        (0, 0, 0.0),
        (1, 1, 0.2065),
        (10, 10, 0.7225),
        (95, 100, 0.8882),
        (0, 10, 0.0),
        (50, 100, 0.4038),
    ],
)
def test_bounds_of_tables(successes: float, total: float, bound: float) -> None:
    assert wilson_lower_bound(successes, total) == pytest.approx(bound, abs=5e-5)


def test_no_history_is_no_trust() -> None:
    assert score_of(Tally().shown()) == 0.0


@given(INPUTS)
def test_a_score_is_from_0_to_1(inputs: dict[str, float]) -> None:
    assert 0.0 <= score_of(inputs) <= 1.0


@given(INPUTS, st.sampled_from([Outcome.FAILURE, Outcome.VIOLATION, Outcome.REJECTION]))
def test_nothing_bad_raises_the_score(inputs: dict[str, float], outcome: Outcome) -> None:
    worse = {**inputs, outcome.value: inputs[outcome.value] + 1}

    assert score_of(worse) <= score_of(inputs)


@given(INPUTS)
def test_a_success_lowers_no_score(inputs: dict[str, float]) -> None:
    assert score_of({**inputs, "successes": inputs["successes"] + 1}) >= score_of(inputs)


@given(st.lists(st.tuples(st.sampled_from(Outcome), st.floats(0, 100)), max_size=12))
def test_weights_halve_in_each_half_life(history: list[tuple[Outcome, float]]) -> None:
    """Counting step by step is the sum over the whole history."""
    history = sorted(history, key=lambda one: one[1])
    tally = Tally()
    for outcome, days in history:
        tally = tally.with_outcome(outcome, NOW + timedelta(days=days), MONTH)
    end = NOW + timedelta(days=100)
    found = tally.decayed(end, MONTH)

    for outcome in Outcome:
        plain = sum(0.5 ** ((100 - days) / 30) for one, days in history if one is outcome)
        assert math.isclose(getattr(found, outcome.value), plain, rel_tol=1e-6, abs_tol=1e-9)


def test_a_clock_that_is_set_back_changes_no_weight() -> None:
    tally = Tally().with_outcome(Outcome.SUCCESS, NOW, MONTH)

    assert tally.decayed(NOW - MONTH, MONTH) == tally


def test_old_successes_count_less() -> None:
    tally = Tally()
    for _ in range(50):
        tally = tally.with_outcome(Outcome.SUCCESS, NOW, MONTH)
    fresh = score_of(tally.decayed(NOW, MONTH).shown())
    later = score_of(tally.decayed(NOW + 3 * MONTH, MONTH).shown())

    assert (fresh, later) == (0.9287, 0.6193)


def test_the_hash_is_of_all_that_is_shown() -> None:
    first = content_hash("agt_1", "a.b", "t", ["x", "y"], {"n": 1, "m": [1.5]})

    assert content_hash("agt_1", "a.b", "t", ["y", "x"], {"m": [1.5], "n": 1}) == first
    others = [
        content_hash("agt_2", "a.b", "t", ["x", "y"], {"n": 1, "m": [1.5]}),
        content_hash("agt_1", "a.b", "u", ["x", "y"], {"n": 1, "m": [1.5]}),
        content_hash("agt_1", "a.c", "t", ["x", "y"], {"n": 1, "m": [1.5]}),
        content_hash("agt_1", "a.b", "t", ["x"], {"n": 1, "m": [1.5]}),
        content_hash("agt_1", "a.b", "t", ["x", "y"], {"n": 2, "m": [1.5]}),
    ]
    assert len({first, *others}) == 6


def test_capabilities_and_scopes() -> None:
    assert is_capable(["deploy.rollback"], "deploy.rollback")
    assert is_capable(["deploy.*"], "deploy.rollback")
    assert not is_capable(["deploy.*"], "deploy")
    assert not is_capable(["deploy.*"], "deployment.rollback")
    assert not is_capable(["deploy"], "deploy.rollback")
    assert outside_scope(["a", "b"], ["b", "c", "d"]) == ["c", "d"]
    assert outside_scope(["*"], ["b"]) == []
    assert outside_scope([], ["b"]) == ["b"]


def test_what_can_be_decided() -> None:
    later, earlier = NOW + MONTH, NOW - MONTH

    def code(status: Status, expires: datetime = later, *, voided: bool = False) -> str | None:
        found = refusal_of_decision(status, expires, NOW, voided=voided)
        return None if found is None else found[0]

    assert code(Status.QUEUED) is None
    assert code(Status.QUEUED, NOW) == code(Status.QUEUED, earlier) == "action_expired"
    assert code(Status.EXPIRED) == "action_expired"
    assert code(Status.QUEUED, voided=True) == "agent_stopped"
    for status in set(Status) - {Status.QUEUED, Status.EXPIRED}:
        assert code(status) == "action_decided"
