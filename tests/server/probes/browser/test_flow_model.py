"""What a flow may contain."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from novaql.server.probes.browser import Flow

GOTO = {"action": "goto", "url": "/"}


@pytest.mark.parametrize(
    "step",
    [
        {"action": "goto", "url": "file:///etc/passwd"},
        {"action": "goto", "url": "javascript:alert(1)"},
        {"action": "goto", "url": "data:text/html,x"},
        {"action": "goto", "url": "chrome://version"},
        {"action": "goto", "url": "//other.test/"},
        {"action": "goto", "url": "/\\other.test/"},
        {"action": "goto", "url": "http://ok@127.0.0.1/"},
        {"action": "goto", "url": "x" * 3000},
        {"action": "click"},
        {"action": "click", "selector": ""},
        {"action": "click", "selector": 1},
        {"action": "click", "selector": "a", "more": 1},
        {"action": "fill", "selector": "a"},
        {"action": "fill", "selector": "a", "value": "x", "secret": "y"},
        {"action": "fill", "selector": "a", "secret": "not a name"},
        {"action": "wait"},
        {"action": "wait", "for": 0},
        {"action": "wait", "for": 1e9},
        {"action": "wait", "for": float("nan")},
        {"action": "wait", "for": "1"},
        {"action": "wait", "for": 1, "selector": "a"},
        {"action": "expect_url"},
        {"action": "expect_text", "text": ""},
        {"action": "screenshot", "name": "../x"},
        {"action": "screenshot", "name": "failure"},
        {"action": "evaluate", "script": "1"},
        "goto",
    ],
)
def test_a_step_that_is_not_allowed(step: Any) -> None:
    with pytest.raises(ValidationError):
        Flow.model_validate({"target": "https://shop.test", "steps": [GOTO, step]})


@pytest.mark.parametrize("target", ["", "shop.test", "ftp://x", "file:///x", "http://a:b@c/", 3])
def test_a_target_that_is_not_allowed(target: Any) -> None:
    with pytest.raises(ValidationError):
        Flow.model_validate({"target": target})


def test_steps_are_bounded() -> None:
    flow = {"target": "https://shop.test", "steps": [GOTO] * 50}
    assert len(Flow.model_validate(flow).steps) == 50
    with pytest.raises(ValidationError):
        Flow.model_validate({**flow, "steps": [GOTO] * 51})
    for names in (["a"] * 2, [f"n{number}" for number in range(11)]):
        with pytest.raises(ValidationError):
            Flow.model_validate(
                {**flow, "steps": [{"action": "screenshot", "name": name} for name in names]}
            )


def test_a_flow_begins_with_its_target() -> None:
    flow = Flow.model_validate(
        {
            "target": "https://shop.test/start",
            "steps": [
                {"action": "fill", "selector": "a", "secret": "key"},
                {"action": "wait", "for": 1},
                {"action": "screenshot", "name": "x", "mask": ["b", "c"]},
            ],
        }
    )

    assert [step.action for step in flow.planned()] == ["goto", "fill", "wait", "screenshot"]
    assert flow.absolute("/x") == "https://shop.test/x"
    assert flow.secret_names() == {"key"}
    assert flow.masks() == ["b", "c"]
    assert Flow.model_validate(flow.model_dump(by_alias=True)) == flow
