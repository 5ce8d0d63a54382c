"""What is a runbook, and what is none: errors are located."""

from __future__ import annotations

from typing import Any

import pytest

from novaql.server.runbooks.parameters import inserted, references_in
from tests.support.servers.agent_rig import code_of
from tests.support.servers.runbook_rig import APPROVAL, WAIT, RunbookRig, http, query

URL = "http://127.0.0.1/"


def test_a_runbook_is_created_replaced_and_deleted(either: RunbookRig) -> None:
    rig = either
    rig.post("/v1/services", {"name": "api", "owner": "o", "tier": "t"})
    made = rig.runbook(WAIT, query("up", op=">", threshold=0.5), service="api")
    path = f"/v1/runbooks/{made['id']}"
    assert rig.get(path) == made
    assert (made["version"], made["guardrails"]["timeout"]) == (1, "1h")
    assert rig.get("/v1/runbooks?service=api")["data"] == [made]
    assert rig.get("/v1/runbooks?service=web")["data"] == []
    assert rig.ask("GET", "/v1/runbooks?service=").status_code == 400
    assert code_of(rig.ask("POST", "/v1/runbooks", {"name": "rb", "steps": [WAIT]})) == (
        409,
        "name_taken",
    )
    body = {"id": made["id"], "name": "new", "steps": [WAIT]}
    stale = rig.ask("POST", "/v1/runbooks", {**body, "version": 7})
    assert code_of(stale) == (409, "version_conflict")
    assert code_of(rig.ask("POST", "/v1/runbooks", body)) == (409, "version_conflict")
    changed = rig.post("/v1/runbooks", {**body, "version": 1}, 200)
    assert (changed["version"], changed["name"], changed["service"]) == (2, "new", None)
    unknown = {**body, "id": "rb_unknown", "version": 1}
    assert code_of(rig.ask("POST", "/v1/runbooks", unknown)) == (404, "runbook_not_found")
    assert rig.ask("DELETE", path).status_code == 204
    assert rig.ask("DELETE", path).status_code == 404
    assert rig.ask("GET", f"{path}/runs").status_code == 404


@pytest.mark.slow
def test_the_history_of_a_runbook(rig: RunbookRig) -> None:
    runbook = rig.runbook(query("vector(1)"))
    runs = [rig.run(runbook, by="bob") for _ in range(3)]
    rig.run(rig.runbook(WAIT, name="other"))
    listed = rig.get(f"/v1/runbooks/{runbook['id']}/runs")["data"]
    assert [one["id"] for one in listed] == [one["id"] for one in reversed(runs)]
    assert (listed[0]["operator"], listed[0]["status"]) == ("bob@example.com", "succeeded")
    assert listed[0]["duration_s"] == 0
    path = f"/v1/runbooks/{runbook['id']}/runs?limit=2"
    page = rig.get(path)
    rest = rig.get(f"{path}&cursor={page['next_cursor']}")
    assert [one["id"] for one in page["data"] + rest["data"]] == [one["id"] for one in listed]
    assert len(rig.get("/v1/runs")["data"]) == 4
    assert rig.ask("GET", "/v1/runs?status=done").status_code == 400


@pytest.mark.parametrize("expr", ["let n = 1 in vector(n)", "ABS(vector(1))"])
def test_extensions_in_a_condition(rig: RunbookRig, expr: str) -> None:
    assert rig.run(rig.runbook(query(expr)))["status"] == "succeeded"


INVALID: list[tuple[dict[str, Any], int, str]] = [
    ({"steps": []}, 400, "/steps"),
    ({"steps": [{"name": "x", "type": "shell"}]}, 400, "/steps/0"),
    ({"steps": [{**WAIT, "more": 1}]}, 400, "/steps/0/more"),
    ({"steps": [{**WAIT, "duration": "31d"}]}, 400, "/steps/0/duration"),
    ({"steps": [http(URL, timeout="31m")]}, 400, "/steps/0/timeout"),
    ({"steps": [http(URL, retries=1)]}, 400, "/steps/0/retries"),
    (
        {"steps": [http("http://${host}/")], "parameters": [{"name": "host"}]},
        400,
        "/steps/0/url",
    ),
    ({"steps": [http(URL, json={}, body="x")]}, 400, "/steps/0/body"),
    ({"steps": [http(URL, headers={"Host": "x"})]}, 400, "/steps/0/headers/Host"),
    ({"steps": [http(URL, headers={"X": "a\r\nY: b"})]}, 400, "/steps/0/headers/X"),
    ({"steps": [http(f"{URL}${{nothing}}")]}, 422, "/steps/0/url"),
    ({"steps": [http(URL, json=["${nothing}"])]}, 422, "/steps/0/json/0"),
    ({"steps": [query("up", op=">")]}, 400, "/steps/0/threshold"),
    ({"steps": [query("up[5m]")]}, 422, "/steps/0/expr"),
    ({"steps": [WAIT, {**APPROVAL, "users": ["usr_x"]}]}, 422, "/steps/1/users/0"),
    (
        {"steps": [{"name": "n", "type": "notify", "channel": "none", "message": "x"}]},
        422,
        "/steps/0/channel",
    ),
    ({"steps": [WAIT], "service": "none"}, 422, "/service"),
    ({"steps": [WAIT], "parameters": [{"name": "a"}, {"name": "a"}]}, 400, "/parameters/1/name"),
    (
        {"steps": [WAIT], "parameters": [{"name": "a", "pattern": "("}]},
        400,
        "/parameters/0/pattern",
    ),
    (
        {"steps": [WAIT], "parameters": [{"name": "a", "type": "number", "default": "x"}]},
        400,
        "/parameters/0/default",
    ),
    (
        {"steps": [WAIT], "guardrails": {"freeze_windows": [{"timezone": "UTC"}]}},
        400,
        "/guardrails/freeze_windows/0",
    ),
    (
        {
            "steps": [WAIT],
            "guardrails": {
                "freeze_windows": [
                    {"timezone": "Mars/Base", "start_time": "10:00", "end_time": "11:00"}
                ]
            },
        },
        400,
        "/guardrails/freeze_windows/0/timezone",
    ),
    ({"steps": [WAIT] * 51}, 400, "/steps"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("body", "status", "pointer"), INVALID)
def test_what_is_no_runbook(
    rig: RunbookRig, body: dict[str, Any], status: int, pointer: str
) -> None:
    answer = rig.ask("POST", "/v1/runbooks", {"name": "x", **body})
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["details"][0]["pointer"].startswith(pointer)
    assert rig.get("/v1/runbooks")["data"] == []


def test_a_query_that_does_not_parse_has_line_and_column(rig: RunbookRig) -> None:
    steps = [WAIT, query("sum(\n  rat(up[5m]))")]
    answer = rig.ask("POST", "/v1/runbooks", {"name": "x", "steps": steps})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "unknown_name")
    assert (error["line"], error["column"]) == (2, 3)
    assert [d["pointer"] for d in error["details"]] == ["/steps/1/expr"]


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        ({"type": "number"}, "-1.5e3", "1 or 2"),
        ({"type": "duration"}, "5m", "five"),
        ({"type": "boolean"}, "true", "yes"),
        ({"pattern": "[a-z]+-[0-9]+"}, "api-1", "api-1; rm -rf /"),
    ],
)
def test_values_of_parameters_are_checked(
    rig: RunbookRig, parameter: dict[str, Any], good: str, bad: str
) -> None:
    runbook = rig.runbook(query("vector(1)"), parameters=[{"name": "p", **parameter}])
    path = f"/v1/runbooks/{runbook['id']}/run"
    assert rig.ask("POST", path, {"parameters": {"p": good}}).status_code == 202
    for name, given in (("p", {"p": bad}), ("p", {}), ("q", {"p": good, "q": "x"})):
        answer = rig.ask("POST", path, {"parameters": given})
        assert code_of(answer) == (400, "validation_error")
        assert answer.json()["error"]["details"][0]["pointer"] == f"/parameters/{name}"


def test_no_value_leaves_its_place_in_a_request(rig: RunbookRig) -> None:
    parameters = [{"name": "p"}]
    path = rig.runbook(http(f"{URL}a/${{p}}/b"), parameters=parameters)
    header = rig.runbook(http(URL, headers={"X": "${p}"}), name="h", parameters=parameters)
    for runbook, value in ((path, ".."), (path, "."), (header, "a\r\nX-More: b"), (header, "é")):
        body = {"parameters": {"p": value}}
        answer = rig.ask("POST", f"/v1/runbooks/{runbook['id']}/run", body)
        assert code_of(answer) == (422, "invalid_parameter")


@pytest.mark.usefixtures("soon")
def test_the_time_to_find_references_grows_with_the_text() -> None:
    step = {"type": "notify", "message": "${" * 200_000}
    assert list(references_in(step)) == []
    assert inserted(step, {}) == step
    step["message"] += "${a} }"
    assert [name for _, name in references_in(step)] == ["${" * 200_000 + "a"]
