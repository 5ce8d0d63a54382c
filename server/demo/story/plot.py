"""The plot: a bad deploy, a burn alert, pages, an agent's runbook, and the postmortem.

Every step is a request that a user or a program sends to the API, or something that the server does
by itself and that the API shows.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import httpx

from novaql.ledger import Checkpoint, VerifierKey, verify_export
from novaql.server.clock import rfc3339
from novaql.server.demo.story.pace import Pace
from novaql.server.demo.story.people import Person, StoryFailed
from novaql.server.demo.story.recording import Recording
from novaql.server.demo.story.shop import BAD, GOOD, Shop

HISTORY = timedelta(minutes=30)
"""How long the shop has worked before the story begins."""

_PATIENCE = timedelta(minutes=10)
_SEEN = ("incident.*", "alert.*", "agent.*", "runbook.*", "slo.*", "page.*", "ledger.checkpoint")
_HOOK_SECRET = "the-secret-of-the-deploys-of-the-shop"  # noqa: S105 - of the story's own hook
_RATE = 'sum(rate(http_requests_total{service="checkout",code="500"}[15s]))'

Found = TypeVar("Found")
Narrate = Callable[[str], None]


class Story:
    """One run of the story over a server whose egress rules allow loopback.

    admin  a token of an administrator
    shop   the address of the shop, which listens (`shop.py: listening`)
    narrate   called with each sentence, as it happens
    """

    def __init__(
        self,
        client: httpx.Client,
        admin: str,
        shop: Shop,
        shop_url: str,
        pace: Pace,
        narrate: Narrate = lambda _: None,
    ) -> None:
        self.recording = Recording()
        self._client, self._shop, self._url = client, shop, shop_url
        self._pace, self._narrate = pace, narrate
        self.root = self._person("root", admin)

    def run(self) -> Recording:
        """Run the story to its end. Raises `StoryFailed` if something does not happen."""
        self._prepare()
        self._deploy()
        incident = self._wait_for_incident()
        self._page(incident)
        run = self._propose(incident)
        self._approve(run)
        self._recover(incident, run)
        self._look_back(incident)
        return self.recording

    # The parts

    def _prepare(self) -> None:
        self._begin("A team, its service and its objective")
        root = self.root
        self.lin, lin_id = self._join("Lin", "lin@example.com")
        self.max, max_id = self._join("Max", "max@example.com")
        for user_id, name in ((lin_id, "lin"), (max_id, "max")):
            method = {
                "name": "pager",
                "type": "webhook",
                "webhook": {"url": f"{self._url}/pager/{name}"},
            }
            root.post(f"/v1/users/{user_id}/contact-methods", method)
        schedule = root.post(
            "/v1/oncall/schedules",
            {
                "name": "shop",
                "timezone": "Europe/Berlin",
                "layers": [
                    {
                        "start": rfc3339(self._pace.now() - timedelta(days=1)),
                        "rotation": {"type": "daily", "hand_off": "09:00"},
                        "members": [lin_id],
                    }
                ],
            },
        )
        policy = root.post(
            "/v1/escalation-policies",
            {
                "name": "shop",
                "steps": [
                    {"wait": "20s", "targets": [{"type": "schedule", "id": schedule["id"]}]},
                    {"wait": "5m", "targets": [{"type": "user", "id": max_id}]},
                ],
            },
        )
        root.post("/v1/webhooks", {"url": f"{self._url}/events", "events": list(_SEEN)})
        root.post("/v1/services", {"name": "checkout", "owner": "shop", "tier": "tier1"})
        self._shop_works()
        root.post(
            "/v1/slo/checkout",
            {
                "objective": "0.999",
                "window": "1d",
                "indicator": {
                    "type": "ratio",
                    "bad": 'http_requests_total{service="checkout",code="500"}',
                    "total": 'http_requests_total{service="checkout"}',
                },
                "escalation_policy_id": policy["id"],
            },
        )
        hook = root.post(
            "/v1/integrations/generic_webhook/hooks",
            {
                "name": "deploys of the shop",
                "report": "deploy",
                "secret": _HOOK_SECRET,
                "fields": {
                    "id": {"pointer": "/version"},
                    "service": {"pointer": "/service"},
                    "version": {"pointer": "/version"},
                },
            },
        )
        self.recording.secrets.add(_HOOK_SECRET)
        self._hook = hook["path"]
        self._runbook = root.post(
            "/v1/runbooks",
            {
                "name": "roll back checkout",
                "service": "checkout",
                "parameters": [{"name": "version", "pattern": r"[0-9]+\.[0-9]+\.[0-9]+"}],
                "steps": [
                    {
                        "name": "it fails",
                        "type": "query",
                        "expr": _RATE,
                        "op": ">",
                        "threshold": 1,
                    },
                    {
                        "name": "roll back",
                        "type": "http",
                        "method": "POST",
                        "url": f"{self._url}/deploy",
                        "json": {"version": "${version}"},
                    },
                    {"name": "settle", "type": "wait", "duration": "20s"},
                    {
                        "name": "it works",
                        "type": "query",
                        "expr": _RATE,
                        "op": "==",
                        "threshold": 0,
                    },
                ],
            },
        )["id"]
        agent = root.post(
            "/v1/agents",
            {
                "name": "rollback-bot",
                "capabilities": ["runbook.run"],
                "scope": {"services": ["checkout"], "max_services": 1},
                "policy": {"approvals": 1, "expires_after": "1h"},
            },
        )
        self._agent = agent["id"]
        self._note(
            "Lin is on call, Max is next. The shop has served thirty minutes without an error."
        )

    def _deploy(self) -> None:
        self._begin(f"Version {BAD} is deployed")
        self._shop.version = BAD
        pipeline = self._person("pipeline", _HOOK_SECRET)
        pipeline.post(
            self._hook,
            {"service": "checkout", "version": BAD},
            **{"X-Webhook-Token": _HOOK_SECRET},
        )
        self._note(
            f"The deploy pipeline reports it to a hook. From now on {BAD} fails 30 % of requests."
        )

    def _wait_for_incident(self) -> str:
        self._begin("The error budget burns: an alert opens an incident")
        self._note("The rules of an objective are evaluated once a minute.")
        found = self._until(
            "an open incident", lambda: self.root.all("/v1/incidents?status=open&service=checkout")
        )[0]
        alerts = self.root.all("/v1/alerts?state=firing")
        for alert in alerts:
            self._note(f"{alert['name']} fires: {alert['annotations'].get('summary', '')}".strip())
        self._note(f"Incident {found['id']}: {found['title']}.")
        identity: str = found["id"]
        return identity

    def _page(self, incident: str) -> None:
        self._begin("Lin is paged and sleeps; the escalation pages Max")
        self._until("a page on Lin's pager", lambda: self._shop.got("/pager/lin"))
        self._note("Lin's pager rings. She does not acknowledge.")
        self._until("a page on Max's pager", lambda: self._shop.got("/pager/max"))
        self._note("After 20 seconds the second step of the policy pages Max.")
        self.max.post(f"/v1/incidents/{incident}/ack", {})
        self._note("Max acknowledges: no further user is paged.")

    def _propose(self, incident: str) -> dict[str, Any]:
        self._begin("The agent proposes a runbook")
        agent = self._person("rollback-bot", self.root.token)
        started = agent.post(
            f"/v1/runbooks/{self._runbook}/run",
            {
                "agent_id": self._agent,
                "incident_id": incident,
                "parameters": {"version": GOOD},
            },
        )
        run: dict[str, Any] = self.root.get(f"/v1/runs/{started['run_id']}")
        trust = self.root.get(f"/v1/agents/{self._agent}")["trust"]["score"]
        self._note(f"Its trust score is {trust}: the run waits for approval ({run['status']}).")
        return run

    def _approve(self, run: dict[str, Any]) -> None:
        self._begin("Max reads what would run, and approves exactly that")
        shown = self.max.get(f"/v1/agents/{self._agent}/actions/{run['action_id']}", shown=True)
        self.max.post(
            f"/v1/agents/{self._agent}/actions",
            {
                "action_id": run["action_id"],
                "decision": "approve",
                "content_hash": shown["content_hash"],
                "reason": f"{BAD} is the cause; {GOOD} worked",
            },
        )
        self._note(
            "The approval is bound to the hash of the content. The requester could not approve."
        )

    def _recover(self, incident: str, run: dict[str, Any]) -> None:
        self._begin("The runbook rolls back, and the service recovers")

        def ended() -> dict[str, Any] | None:
            found: dict[str, Any] = self.root.get(f"/v1/runs/{run['id']}")
            return found if found["ended_at"] else None

        done = self._until("the end of the run", ended)
        for step in done["steps"]:
            self._note(f"Step “{step['name']}” ({step['type']}): {step['status']}.")
        if done["status"] != "succeeded":
            raise StoryFailed(f"the run is {done['status']}: {done['reason']}")
        self.max.post(
            f"/v1/incidents/{incident}/comments",
            {"body": f"root cause: version {BAD} failed 30 % of requests"},
        )

        def resolved() -> dict[str, Any] | None:
            found: dict[str, Any] = self.root.get(f"/v1/incidents/{incident}")
            return found if found["status"] == "resolved" else None

        self._until("the end of the incident", resolved)
        self._note("The burn alert resolves, and with it the incident.")

    def _look_back(self, incident: str) -> None:
        self._begin("What is left: the postmortem, and evidence of every step")
        path = f"/v1/incidents/{incident}/postmortem"
        draft = self.root.get(path, shown=True)
        files, facts = self.recording.files, self.recording.facts
        files["postmortem.md"] = self.root.text(path, Accept="text/markdown")
        self._note(f"The root cause is what Max wrote: {draft['root_cause']['text']}")
        # A last moment, in which messages about the end of the incident are delivered.
        self._until(
            "the message about the end",
            lambda: [
                one for one in self._shop.got("/events") if one["type"] == "incident.resolved"
            ],
        )
        audit = f"/v1/agents/{self._agent}/audit"
        signed = self.root.get(f"{audit}/checkpoint")
        export = self.root.text(f"{audit}/export")
        files |= {"ledger.jsonl": export, "checkpoint": signed["checkpoint"]}
        files["vkey"] = f"{signed['vkey']}\n"
        verified = verify_export(
            [line.encode() for line in export.splitlines()],
            [VerifierKey.parse(signed["vkey"])],
            Checkpoint.parse(signed["checkpoint"]),
        )
        self._note(f"The ledger of the agent has {verified.checkpoint.size} entries, and verifies.")
        facts["pages"] = [
            {name: page[name] for name in ("created_at", "step", "target", "status", "sent_at")}
            for page in self.root.all(f"/v1/incidents/{incident}/pages")
        ]
        facts["timeline"] = [
            {
                "seq": entry["seq"],
                "at": entry["at"],
                "type": entry["type"],
                "by": entry["actor"]["name"],
            }
            for entry in self.root.all(f"/v1/incidents/{incident}/timeline")
        ]
        facts["audit"] = [
            {"at": entry["at"], "action": entry["action"], "by": entry["actor"]["name"]}
            for entry in reversed(self.root.all("/v1/audit"))
        ]
        facts["webhooks"] = [
            {"type": message["type"], "at": message["timestamp"]}
            for message in self._shop.got("/events")
        ]

    # Helpers

    def _person(self, name: str, token: str) -> Person:
        return Person(name, token, self._client, self.recording, self._pace.now)

    def _join(self, name: str, email: str) -> tuple[Person, str]:
        invited = self.root.post("/v1/users", {"name": name, "email": email, "role": "operator"})
        self.recording.secrets.add(invited["invitation_token"])
        accepted = self.root.post("/v1/invitations/accept", {"token": invited["invitation_token"]})
        return self._person(name, accepted["token"]), invited["id"]

    def _shop_works(self) -> None:
        self.root.ingest(self._shop.scrape(self._pace.now()))

    def _begin(self, title: str) -> None:
        self.recording.begin(self._pace.now(), title)
        self._narrate(f"\n{title}")

    def _note(self, text: str) -> None:
        self.recording.note(text)
        self._narrate(f"  {text}")

    def _until(self, what: str, look: Callable[[], Found | None]) -> Found:
        """Wait until a condition holds."""
        begun = self._pace.now()
        while not (found := look()):
            if self._pace.now() - begun > _PATIENCE:
                raise StoryFailed(f"{what} did not come within {_PATIENCE}")
            self._pace.pass_time()
            self._shop_works()
        return found
