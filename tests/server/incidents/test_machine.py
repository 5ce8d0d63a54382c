"""Whatever is asked in whatever order, incidents are as the table of states says."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from novaql.server.clock import SteppedClock
from tests.server.incidents.conftest import NOW, Desk
from tests.support.servers.http_server import local_server


@dataclass
class Model:
    """What an incident should be."""

    id: str
    key: str | None
    related_to: str | None
    status: str = "triggered"
    people: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=lambda: ["triggered"])


class Incidents(RuleBasedStateMachine):
    """Two people, a few keys, one server."""

    incidents = Bundle("incidents")

    @initialize()
    def begin(self) -> None:
        self.stack = ExitStack()
        clock = SteppedClock(NOW)
        self.desk = Desk(self.stack.enter_context(local_server(clock=clock)), clock)
        self.desk.service("api")
        me = self.desk.get("/users")["data"][0]["id"]
        self.people = [(me, ""), self.desk.colleague("bob@example.com")]
        self.known: list[Model] = []

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            self.stack.close()

    @rule(target=incidents, key=st.sampled_from([None, "a", "b"]))
    def trigger(self, key: str | None) -> Model:
        with_key = [one for one in self.known if key is not None and one.key == key]
        current = next((one for one in with_key if one.status != "resolved"), None)
        made = self.desk.open(201 if current is None else 200, dedup_key=key)
        if current is not None:
            assert made["id"] == current.id
            current.types.append("triggered")
            return current
        fresh = Model(made["id"], key, with_key[-1].id if with_key else None)
        self.known.append(fresh)
        return fresh

    @rule(one=incidents, who=st.integers(0, 1))
    def acknowledge(self, one: Model, who: int) -> None:
        user, token = self.people[who]
        path = f"/incidents/{one.id}/ack"
        if one.status == "resolved":
            assert self.desk.refused("POST", path) == (409, "incident_resolved")
            return
        self.desk.post(path, token=token)
        if user not in one.people:
            one.types.append("acknowledger_added" if one.people else "acknowledged")
            one.people.append(user)
        one.status = "acknowledged"

    @rule(one=incidents)
    def resolve(self, one: Model) -> None:
        path = f"/incidents/{one.id}/resolve"
        if one.status == "resolved":
            assert self.desk.refused("POST", path, {"note": "x"}) == (409, "incident_resolved")
            return
        self.desk.post(path, {"note": "x"})
        one.types.append("resolved")
        one.status = "resolved"

    @rule(one=incidents)
    def comment(self, one: Model) -> None:
        self.desk.post(f"/incidents/{one.id}/comments", {"body": "x"}, 201)
        one.types.append("comment")

    @invariant()
    def all_are_as_they_should_be(self) -> None:
        if not hasattr(self, "desk"):
            return
        shown = self.desk.get("/incidents?limit=200")["data"]
        assert [row["id"] for row in shown] == [one.id for one in reversed(self.known)]
        for row, one in zip(shown, reversed(self.known), strict=True):
            assert row["status"] == one.status
            assert [person["id"] for person in row["acknowledged_by"]] == one.people
            assert (row["dedup_key"], row["related_to"]) == (one.key, one.related_to)
            assert row["triggers"] == one.types.count("triggered")

    @rule(one=incidents)
    def look(self, one: Model) -> None:
        entries = self.desk.timeline(one.id)
        assert [entry["type"] for entry in entries] == one.types
        assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))


TestIncidents = Incidents.TestCase
TestIncidents.settings = settings(
    parent=settings(), max_examples=max(1, settings().max_examples // 5), stateful_step_count=25
)
