"""/v1/dashboards: saving, versions, ids of panels, and everything that is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock
from novaql.server.dashboards.schema import EXAMPLE
from tests.server.dashboards.conftest import ask, data, panel, save
from tests.support.servers.http_server import LocalServer

ROW = [{"x": 12 * (i % 2), "y": 8 * (i // 2), "w": 12, "h": 8} for i in range(12)]


def again(dashboard: dict[str, Any], **change: Any) -> dict[str, Any]:
    """A dashboard as it was shown, as a body that saves it again."""
    names = (
        *("id", "version", "title", "description", "tags", "variables", "panels"),
        *("annotations", "refresh", "time_range"),
    )
    return {name: dashboard[name] for name in names} | change


def test_a_dashboard_is_created_shown_listed_and_deleted(served: LocalServer) -> None:
    made = ask(served, "POST", "/dashboards", EXAMPLE | {"tags": ["b", "a"], "refresh": "90s"})
    body = made.json()
    shown = ask(served, "GET", f"/dashboards/{body['id']}", role=Role.READ_ONLY)

    assert made.status_code == 201
    assert made.headers["location"] == f"/v1/dashboards/{body['id']}"
    assert shown.json() == body
    assert shown.headers["etag"] == '"1"'
    assert (body["tags"], body["refresh"]) == (["a", "b"], "1m30s")
    assert body["time_range"] == {"from": "now-1h", "to": "now"}
    assert body["panels"][0]["id"].startswith("pan_")
    (row,) = ask(served, "GET", "/dashboards", role=Role.READ_ONLY).json()["data"]
    assert (row["id"], row["panel_count"], row["version"]) == (body["id"], 1, 1)
    assert row["owner"]["name"] == "ada"
    assert row["last_edited_at"] == body["updated_at"]

    panel_id = body["panels"][0]["id"]
    assert data(served, panel_id).status_code == 200
    assert ask(served, "DELETE", f"/dashboards/{body['id']}").status_code == 204
    assert ask(served, "GET", f"/dashboards/{body['id']}").status_code == 404
    gone = data(served, panel_id)
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "panel_not_found")
    assert ask(served, "GET", "/dashboards").json()["data"] == []


def test_what_is_shown_can_be_saved_again(served: LocalServer, clock: SteppedClock) -> None:
    made = save(served, panel("up"), panel("1", title="Q", grid=ROW[1]), title="A <b>title</b>")
    clock.step(timedelta(minutes=1))
    answer = ask(served, "POST", "/dashboards", again(made))
    same = answer.json()

    assert answer.status_code == 200
    assert same["title"] == "A <b>title</b>"
    assert [p["id"] for p in same["panels"]] == [p["id"] for p in made["panels"]]
    assert (same["version"], same["created_at"]) == (2, made["created_at"])
    assert same["updated_at"] > made["updated_at"]


def test_panels_keep_their_ids_when_they_move_and_change(served: LocalServer) -> None:
    made = save(served, panel("up", title="A"), panel("1", title="B", grid=ROW[1]))
    first, second = made["panels"]
    moved = [{**second, "grid": ROW[0]}, {**first, "title": "C", "grid": ROW[1]}]
    swapped = ask(served, "POST", "/dashboards", again(made, panels=moved)).json()
    assert [p["id"] for p in swapped["panels"]] == [second["id"], first["id"]]

    nameless = [{k: v for k, v in p.items() if k != "id"} for p in swapped["panels"]]
    kept = ask(served, "POST", "/dashboards", again(swapped, panels=nameless)).json()
    assert [p["id"] for p in kept["panels"]] == [second["id"], first["id"]]

    one = ask(served, "POST", "/dashboards", again(kept, panels=[kept["panels"][0]])).json()
    assert [p["id"] for p in one["panels"]] == [second["id"]]
    assert data(served, first["id"]).status_code == 404
    stranger = ask(served, "POST", "/dashboards", {"title": "X", "panels": [first]})
    assert (stranger.status_code, stranger.json()["error"]["code"]) == (422, "unknown_panel")


def test_a_save_from_an_old_version_changes_nothing(served: LocalServer) -> None:
    made = save(served, panel("up"))
    newer = ask(served, "POST", "/dashboards", again(made, title="Newer")).json()
    stale = ask(served, "POST", "/dashboards", again(made, title="Stale", panels=[]))
    blind = {name: value for name, value in again(made).items() if name != "version"}
    blindly = ask(served, "POST", "/dashboards", blind)

    for answer in (stale, blindly):
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "version_conflict")
    assert ask(served, "GET", f"/dashboards/{made['id']}").json() == newer
    headers = served.bearer(Role.OPERATOR) | {"If-Match": '"2"'}
    matched = served.client.post("/v1/dashboards", json=blind, headers=headers)
    assert matched.status_code == 200
    unknown = ask(served, "POST", "/dashboards", again(made, id="dash_0"))
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "dashboard_not_found")


def test_of_two_saves_at_once_one_is_refused(served: LocalServer) -> None:
    made = save(served, panel("up"))
    with ThreadPoolExecutor(2) as pool:
        answers = list(
            pool.map(
                lambda title: ask(served, "POST", "/dashboards", again(made, title=title)),
                ("one", "two"),
            )
        )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    (won,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert ask(served, "GET", f"/dashboards/{made['id']}").json()["title"] == won["title"]


def test_versions_are_kept(served: LocalServer) -> None:
    made = save(served, panel("up"), title="First")
    ask(served, "POST", "/dashboards", again(made, title="Second"))
    path = f"/dashboards/{made['id']}/versions"
    rows = ask(served, "GET", path, role=Role.READ_ONLY).json()["data"]
    first = ask(served, "GET", f"{path}/1", role=Role.READ_ONLY).json()

    assert [(row["number"], row["title"]) for row in rows] == [(2, "Second"), (1, "First")]
    restored = {**first["dashboard"], "id": made["id"], "version": 2}
    back = ask(served, "POST", "/dashboards", restored).json()
    assert (back["title"], back["version"]) == ("First", 3)
    assert back["panels"] == made["panels"]
    assert ask(served, "GET", f"{path}/9").status_code == 404


def test_a_version_with_a_panel_that_was_deleted_can_be_restored(served: LocalServer) -> None:
    made = save(served, panel("up", title="A"), panel("1", title="B", grid=ROW[1]))
    first, second = made["panels"]
    ask(served, "POST", "/dashboards", again(made, panels=[first]))
    found = ask(served, "GET", f"/dashboards/{made['id']}/versions/1").json()["dashboard"]
    back = ask(served, "POST", "/dashboards", {**found, "id": made["id"], "version": 2})
    assert back.status_code == 200, back.text
    panels = back.json()["panels"]
    assert [p["title"] for p in panels] == ["A", "B"]
    assert panels[0] == first
    assert panels[1]["id"] != second["id"]


def test_the_list_is_filtered_by_tag_and_title(served: LocalServer) -> None:
    for title, tags in (
        ("API", ["prod", "x"]),
        ("Data_base", ["prod"]),
        ("web", ["prod%"]),
        ("École", []),
        ("odd\ufdd0", ["a\ufdd0b"]),
    ):
        save(served, title=title, tags=tags)

    def titles(query: str) -> list[str]:
        return [row["title"] for row in ask(served, "GET", f"/dashboards?{query}").json()["data"]]

    assert titles("tag=prod") == ["API", "Data_base"]
    assert titles("tag=pro") == []
    assert titles("title=A_B") == ["Data_base"]
    assert titles("title=a_") == ["Data_base"]
    assert titles("title=%25") == []
    assert titles("tag=PROD") == []
    assert titles("title=École") == ["École"]
    assert titles("title=D\ufdd0") == titles("tag=a\ufdd0b") == ["odd\ufdd0"]
    assert ask(served, "GET", "/dashboards?owner=x").status_code == 400


def test_the_audit_log_shows_before_and_after(served: LocalServer) -> None:
    made = save(served, panel("up"), title="Before")
    ask(served, "POST", "/dashboards", again(made, title="After"))
    path = f"/audit?target={made['id']}&action=dashboard.update"
    (entry,) = ask(served, "GET", path).json()["data"]

    assert (entry["before"]["title"], entry["after"]["title"]) == ("Before", "After")
    assert {"op": "replace", "path": "/title", "value": "After"} in entry["diff"]


def query_variable(**more: Any) -> dict[str, Any]:
    return {"name": "v", "type": "query", "query": "label_values(up, job)", **more}


def custom(**more: Any) -> dict[str, Any]:
    return {"name": "v", "type": "custom", "values": ["a", "b"], **more}


@pytest.mark.parametrize(
    ("change", "status", "pointer"),
    [
        ({"panels": [panel("up"), panel("up")]}, 400, "/panels/1/grid"),
        ({"panels": [panel("up", grid={"x": 20, "y": 0, "w": 5, "h": 1})]}, 400, "/panels/0/grid"),
        ({"panels": [panel("up", grid={"x": 0, "y": 0, "w": 0, "h": 1})]}, 400, "/panels/0/grid/w"),
        (
            {"panels": [panel("up", grid={"x": -1, "y": 0, "w": 1, "h": 1})]},
            400,
            "/panels/0/grid/x",
        ),
        ({"panels": [panel("sum(up")]}, 422, "/panels/0/queries/0/expr"),
        ({"panels": [panel('up{job=~"$nope"} +')]}, 422, "/panels/0/queries/0/expr"),
        ({"panels": [panel("rate(up[$nope])")]}, 422, "/panels/0/queries/0/expr"),
        ({"panels": [panel("rat(up[5m])")]}, 422, "/panels/0/queries/0/expr"),
        ({"panels": [panel("up", type="pie")]}, 400, "/panels/0/type"),
        ({"panels": [panel("up", queries=[])]}, 400, "/panels/0/queries"),
        ({"panels": [panel("up")] * 1000}, 400, "/panels"),
        ({"panels": [panel("up", more=1)]}, 400, "/panels/0/more"),
        ({"title": " "}, 400, "/title"),
        ({"refresh": "soon"}, 400, "/refresh"),
        ({"time_range": {"from": "yesterday-ish", "to": "now"}}, 400, "/time_range/from"),
        ({"variables": [custom(name="1v")]}, 400, "/variables/0/name"),
        ({"variables": [custom(name="__v")]}, 400, "/variables/0/name"),
        ({"variables": [custom(), custom()]}, 400, "/variables/1/name"),
        ({"variables": [custom(values=[])]}, 400, "/variables/0/values"),
        ({"variables": [custom(type="interval")]}, 400, "/variables/0/values/0"),
        ({"variables": [custom(default=["c"])]}, 400, "/variables/0/default"),
        ({"variables": [custom(default=["a", "b"])]}, 400, "/variables/0/default"),
        ({"variables": [custom(all_value=".*")]}, 400, "/variables/0/all_value"),
        ({"variables": [query_variable(query="drop table")]}, 400, "/variables/0/query"),
        ({"variables": [query_variable(query="metrics([)")]}, 400, "/variables/0/query"),
        ({"variables": [query_variable(query="label_values(up{, a)")]}, 422, "/variables/0/query"),
        (
            {"variables": [query_variable(query='label_values(up{a="$w"}, job)')]},
            400,
            "/variables/0/query",
        ),
        ({"variables": [query_variable(regex="(")]}, 400, "/variables/0/regex"),
        ({"annotations": [{"name": "a", "expr": "up +"}]}, 422, "/annotations/0/expr"),
    ],
)
def test_what_is_refused(
    seen: LocalServer, change: dict[str, Any], status: int, pointer: str
) -> None:
    answer = ask(seen, "POST", "/dashboards", {"title": "D", "panels": [], **change})

    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["details"][0]["pointer"] == pointer
    if status == 422:
        error = answer.json()["error"]
        assert f"line 1, column {error['column']}" in error["message"]
        assert (error["line"], error["picture"][-1]) == (1, "^")
        unknown = error["message"].count("unknown function")
        assert error["code"] == ("unknown_name" if unknown else "syntax_error")


def test_a_thousand_panels_are_too_many(seen: LocalServer) -> None:
    tiny = [panel("1", grid={"x": 0, "y": i, "w": 1, "h": 1}) for i in range(1000)]
    answer = ask(seen, "POST", "/dashboards", {"title": "D", "panels": tiny})

    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["pointer"] == "/panels"


def test_a_dashboard_that_is_too_large_is_413(seen: LocalServer) -> None:
    text = panel("", type="text", queries=[], text="x" * 50_000)
    panels = [{**text, "grid": {"x": 0, "y": i, "w": 1, "h": 1}} for i in range(100)]
    answer = ask(seen, "POST", "/dashboards", {"title": "D", "panels": panels})

    assert answer.status_code == 413


def test_reading_is_for_all_and_writing_for_operators(seen: LocalServer) -> None:
    body = {"title": "D", "panels": []}
    assert ask(seen, "POST", "/dashboards", body, Role.READ_ONLY).status_code == 403
    made = ask(seen, "POST", "/dashboards", body, Role.OPERATOR).json()
    assert ask(seen, "DELETE", f"/dashboards/{made['id']}", role=Role.READ_ONLY).status_code == 403
    assert ask(seen, "GET", f"/dashboards/{made['id']}", role=Role.READ_ONLY).status_code == 200
