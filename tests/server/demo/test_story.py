"""The story with a stepped clock: each step is in audit, timeline, ledger and webhooks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from novaql.ledger.notes import Checkpoint, VerifierKey
from novaql.ledger.verify import verify_export
from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock
from novaql.server.demo.story.plot import HISTORY, Story
from novaql.server.demo.story.recording import Recording
from novaql.server.demo.story.shop import BAD, GOOD, Shop, listening
from tests.support.repository.files import ROOT
from tests.support.servers.http_server import local_server

pytestmark = pytest.mark.slow

AT = datetime(2027, 3, 1, 12, tzinfo=UTC)
MOST_S = 120
"""The real seconds that hours of the stepped clock may take."""


class SteppedPace:
    """Time passes in steps, after each of which `work` does what is due."""

    def __init__(self, clock: SteppedClock, work: Callable[[], object]) -> None:
        self._clock = clock
        self._work = work
        self._step = timedelta(seconds=5)

    def now(self) -> datetime:
        return self._clock.now()

    def pass_time(self) -> None:
        self._clock.step(self._step)
        self._work()


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop(AT - HISTORY)


@pytest.fixture(scope="module")
def story(shop: Shop) -> Iterator[Recording]:
    clock = SteppedClock(AT)
    began = time.monotonic()
    with (
        listening(shop) as url,
        local_server(clock=clock, egress_allow="127.0.0.1/32", webhook_http=True) as server,
    ):
        pace = SteppedPace(clock, server.run_jobs)
        found = Story(server.client, server.tokens[Role.ADMIN], shop, url, pace).run()
        assert time.monotonic() - began < MOST_S
        yield found


def in_order(wanted: list[str], found: list[str]) -> bool:
    rest = iter(found)
    return all(one in rest for one in wanted)


def test_the_runbook_rolls_back_once(story: Recording, shop: Shop) -> None:
    assert shop.version == GOOD
    assert shop.got("/deploy") == [{"version": GOOD}]
    assert len(story.chapters) == 8


def test_each_step_of_the_policy_pages_once(story: Recording, shop: Shop) -> None:
    assert [(page["step"], page["target"]["name"]) for page in story.facts["pages"]] in (
        [(0, "Lin"), (1, "Max")],
        [(1, "Max"), (0, "Lin")],
    )
    assert {page["status"] for page in story.facts["pages"]} == {"sent"}
    assert [len(shop.got(f"/pager/{name}")) for name in ("lin", "max")] == [1, 1]


def test_the_timeline_has_every_step(story: Recording) -> None:
    types = [entry["type"] for entry in story.facts["timeline"]]
    wanted = ["triggered", "paged", "paged", "acknowledged", "runbook", "comment", "resolved"]
    assert in_order(wanted, types), types


def test_the_audit_log_has_every_step(story: Recording) -> None:
    actions = [entry["action"] for entry in story.facts["audit"]]
    wanted = [
        *("user.create", "schedule.create", "escalation_policy.create", "slo.create"),
        *("runbook.create", "agent.register", "incident.create", "incident.ack"),
        *("runbook_run.request", "agent_action.approve", "incident.comment", "incident.resolve"),
    ]
    assert in_order(wanted, actions), actions


def test_webhooks_have_every_step(story: Recording) -> None:
    types = {message["type"] for message in story.facts["webhooks"]}
    assert types >= {
        *("slo.saved", "alert.firing", "incident.created", "incident.escalated", "page.sent"),
        *("incident.acknowledged", "agent.action.queued", "agent.action.approved"),
        *("agent.action.executed", "alert.resolved", "incident.resolved"),
    }, types


def test_the_ledger_has_every_step(story: Recording) -> None:
    leaves = [json.loads(line).get("leaf") for line in story.files["ledger.jsonl"].splitlines()]
    kinds = [json.loads(leaf)["kind"] for leaf in leaves if leaf is not None]
    assert in_order(["agent.registered", "agent.action.queued", "agent.action.approved"], kinds), (
        kinds
    )
    assert in_order(["agent.action.started", "runbook.step", "agent.action.executed"], kinds), kinds


def test_the_postmortem_cites_deploy_and_cause(story: Recording) -> None:
    text = story.files["postmortem.md"]
    assert f"version {BAD} failed 30 % of requests" in text
    assert f"deploy of checkout, version {BAD}" in text
    assert "runbook roll back checkout" in text


def test_the_recording_in_the_docs_verifies() -> None:
    """It was made in real time by `novaql demo --story --record docs/story`."""
    folder = ROOT / "docs" / "story"
    found = verify_export(
        (folder / "ledger.jsonl").read_bytes().splitlines(),
        [VerifierKey.parse((folder / "vkey").read_text())],
        Checkpoint.parse((folder / "checkpoint").read_text()),
    )
    assert found.checkpoint.size == 9
    story = json.loads((folder / "story.json").read_text())
    assert [page["status"] for page in story["pages"]] == ["sent", "sent"]


def kinds_of(recording: Any) -> dict[str, Any]:
    """What a recording consists of, without ids, times and values."""
    requests = [one for chapter in recording["chapters"] for one in chapter["requests"]]
    return {
        "chapters": [chapter["title"] for chapter in recording["chapters"]],
        "requests": [
            (one["by"], one["method"], one["path"].split("/")[2], sorted(one.get("body") or {}))
            for one in requests
        ],
        "audit": sorted({one["action"] for one in recording["audit"]}),
        "webhooks": sorted({one["type"] for one in recording["webhooks"]}),
        "timeline": sorted({one["type"] for one in recording["timeline"]}),
        "fields": {
            part: sorted({name for one in recording[part] for name in one})
            for part in ("pages", "timeline", "audit", "webhooks")
        },
    }


def test_the_recording_in_the_docs_is_of_this_code(story: Recording, tmp_path: Path) -> None:
    """Otherwise: `novaql demo --story --record docs/story`."""
    story.save(tmp_path)
    here, docs = (
        json.loads((folder / "story.json").read_text())
        for folder in (tmp_path, ROOT / "docs" / "story")
    )
    assert kinds_of(docs) == kinds_of(here)


def test_a_recording_has_no_secret(story: Recording, tmp_path: Path) -> None:
    story.save(tmp_path)
    texts = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert set(texts) == {
        *("README.md", "story.json", "postmortem.md"),
        *("ledger.jsonl", "checkpoint", "vkey"),
    }
    assert len(story.secrets) >= 5
    for secret in story.secrets:
        assert all(secret not in text for text in texts.values())
