"""Dashboards of Grafana: what is kept, what is reported, and that what goes out comes back."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.server.auth.roles import Role
from novaql.server.dashboards.checks import Tries, check_dashboard
from novaql.server.dashboards.grafana_in import imported
from novaql.server.dashboards.grafana_out import exported
from novaql.server.dashboards.grafana_parts import MOST_NOTES
from novaql.server.dashboards.layout import packed
from novaql.server.errors import InvalidRequest
from tests.server.dashboards.conftest import NOW_S, ask, data, panel, save
from tests.support.servers.http_server import LocalServer

DATASOURCE = {"type": "prometheus", "uid": "${DS}"}
NODE: dict[str, Any] = {
    "title": "Node",
    "uid": "rYdddlPWk",
    "schemaVersion": 39,
    "tags": ["linux"],
    "refresh": "30s",
    "time": {"from": "now-6h", "to": "now"},
    "timezone": "Europe/Berlin",
    "links": [{"title": "docs", "url": "https://example.com"}],
    "templating": {
        "list": [
            {"name": "DS", "type": "datasource", "query": "prometheus"},
            {
                "name": "job",
                "type": "query",
                "datasource": DATASOURCE,
                "definition": "label_values(up, job)",
                "query": {"query": "label_values(up, job)", "refId": "x"},
                "multi": True,
                "includeAll": True,
                "allValue": ".+",
                "regex": "/^[a-z].*/",
                "current": {"text": ["All"], "value": ["$__all"]},
            },
            {"name": "win", "type": "interval", "query": "1m,5m,1h,auto"},
            {"name": "mode", "type": "custom", "query": "user : u,system : s,a\\,b"},
            {"name": "fix", "type": "constant", "query": "up"},
            {"name": "filters", "type": "adhoc"},
            {"name": "odd", "type": "query", "query": "SELECT 1"},
        ]
    },
    "annotations": {
        "list": [
            {"builtIn": 1, "name": "Annotations & Alerts", "datasource": {"uid": "-- Grafana --"}},
            {"name": "restarts", "expr": "changes(up[5m]) > 0", "titleFormat": "{{job}}"},
            {"name": "tags", "target": {"type": "tags"}},
        ]
    },
    "panels": [
        {
            "id": 1,
            "type": "timeseries",
            "title": "CPU <b>",
            "datasource": DATASOURCE,
            "gridPos": {"x": 0, "y": 0, "w": 12, "h": 8},
            "targets": [
                {"refId": "A", "expr": 'rate(up{job=~"$job"}[$win])', "legendFormat": "{{job}}"},
                {"refId": "B", "expr": "rate(up[", "legendFormat": "x"},
                {"refId": "C", "rawSql": "select 1"},
                {"refId": "D", "expr": "up", "hide": True, "legendFormat": "__auto"},
            ],
            "transformations": [{"id": "merge"}],
            "fieldConfig": {
                "defaults": {
                    "unit": "percentunit",
                    "decimals": 2,
                    "min": 0,
                    "thresholds": {
                        "mode": "absolute",
                        "steps": [{"color": "green", "value": None}, {"color": "red", "value": 80}],
                    },
                    "mappings": [{"type": "value"}],
                },
                "overrides": [{"matcher": {"id": "byName"}}],
            },
        },
        {
            "type": "row",
            "collapsed": True,
            "gridPos": {"x": 0, "y": 8, "w": 24, "h": 1},
            "panels": [
                {
                    "type": "graph",
                    "title": "Old",
                    "gridPos": {"x": 0, "y": 9, "w": 12, "h": 8},
                    "targets": [{"expr": "up", "instant": True, "range": False}],
                }
            ],
        },
        {
            "type": "piechart",
            "title": "Pie",
            "gridPos": {"x": 0, "y": 9, "w": 6, "h": 8},
            "targets": [{"expr": "up"}],
        },
        {"type": "news", "title": "News", "gridPos": {"x": 6, "y": 9, "w": 6, "h": 8}},
        {
            "type": "text",
            "title": "Words",
            "gridPos": {"x": 12, "y": 0, "w": 12, "h": 8},
            "options": {"mode": "html", "content": "<script>1</script>"},
        },
    ],
}


def test_a_dashboard_is_kept_as_far_as_it_can_be(served: LocalServer) -> None:
    answer = ask(served, "POST", "/dashboards/import", {"dashboard": NODE})
    assert answer.status_code == 201, answer.text
    told = answer.json()
    made = ask(served, "GET", f"/dashboards/{told['id']}").json()

    assert (made["title"], made["tags"], made["refresh"]) == ("Node", ["linux"], "30s")
    assert made["time_range"] == {"from": "now-6h", "to": "now"}
    assert [v["name"] for v in made["variables"]] == ["job", "win", "mode", "fix"]
    job = made["variables"][0]
    assert (job["all_value"], job["regex"], job["default"]) == (".+", "^[a-z].*", ["$__all"])
    assert [v["values"] for v in made["variables"][1:]] == [
        ["1m", "5m", "1h"],
        ["u", "s", "a,b"],
        ["up"],
    ]
    assert [(p["title"], p["type"]) for p in made["panels"]] == [
        ("CPU <b>", "timeseries"),
        ("Words", "text"),
        ("Old", "timeseries"),
        ("Pie", "timeseries"),
    ]
    cpu = made["panels"][0]
    assert [(q["expr"], q["legend"], q["hidden"]) for q in cpu["queries"]] == [
        ('rate(up{job=~"$job"}[$win])', "{{job}}", False),
        ("up", None, True),
    ]
    assert (cpu["unit"], cpu["decimals"], cpu["min"]) == ("percentunit", 2, 0)
    assert cpu["thresholds"][1] == {"value": 80, "color": "red"}
    assert made["panels"][1]["text"] == "<script>1</script>"
    assert made["panels"][2]["queries"][0]["instant"] is True
    assert [a["name"] for a in made["annotations"]] == ["restarts"]

    report = {(note["path"], note["action"]) for note in told["report"]}
    assert report == {
        ("/templating/list/0", "dropped"),
        ("/templating/list/2/query", "changed"),
        ("/templating/list/3/query", "changed"),
        ("/templating/list/4", "changed"),
        ("/templating/list/5", "dropped"),
        ("/templating/list/6/query", "dropped"),
        ("/annotations/list/2", "dropped"),
        ("/panels/0/targets/1/expr", "dropped"),
        ("/panels/0/targets/2", "dropped"),
        ("/panels/0/transformations", "dropped"),
        ("/panels/0/fieldConfig/overrides", "dropped"),
        ("/panels/0/fieldConfig/defaults/mappings", "dropped"),
        ("/panels/1", "changed"),
        ("/panels/1/panels/0/type", "changed"),
        ("/panels/2/type", "changed"),
        ("/panels/3", "dropped"),
        ("/panels/4/options/mode", "changed"),
        ("/links", "dropped"),
        ("/timezone", "dropped"),
    }
    (syntax,) = [n for n in told["report"] if n["path"] == "/panels/0/targets/1/expr"]
    assert "line 1, column" in syntax["reason"]
    window = {"start": NOW_S - 60, "end": NOW_S}
    assert data(served, cpu["id"], **window).json()["queries"][0]["result"] != []


def test_queries_of_other_sources_are_no_queries_of_metrics(served: LocalServer) -> None:
    """A query of Loki parses as a selector, and would show nothing for ever."""
    loki, prometheus = {"type": "loki", "uid": "l"}, {"type": "prometheus", "uid": "p"}
    amazon = {"type": "grafana-amazonprometheus-datasource"}
    mixed = {"type": "datasource", "uid": "-- Mixed --"}
    grid = {"x": 0, "y": 0, "w": 12, "h": 8}
    several = [{"expr": '{app="x"}', "datasource": loki}, {"expr": "up", "datasource": prometheus}]
    body = {
        "title": "Mixed",
        "templating": {
            "list": [
                {"name": "app", "type": "query", "query": "label_values(app)", "datasource": loki},
                {"name": "job", "type": "query", "query": "label_values(job)"},
            ]
        },
        "annotations": {"list": [{"name": "a", "expr": '{app="x"}', "datasource": loki}]},
        "panels": [
            {"type": "logs", "title": "L", "datasource": loki, "targets": [{"expr": '{app="x"}'}]},
            {"type": "timeseries", "title": "M", "datasource": mixed, "targets": several},
            {"type": "stat", "title": "A", "datasource": amazon, "targets": [{"expr": "up"}]},
            {"type": "stat", "title": "old", "datasource": "Loki", "targets": [{"expr": "up"}]},
        ],
    }
    for panel_ in body["panels"]:
        assert isinstance(panel_, dict)
        panel_["gridPos"] = grid
    told = ask(served, "POST", "/dashboards/import", {"dashboard": body}).json()
    shown = told["dashboard"]
    assert [(p["title"], [q["expr"] for q in p["queries"]]) for p in shown["panels"]] == [
        *(("M", ["up"]), ("A", ["up"]), ("old", ["up"])),
    ]
    assert [v["name"] for v in shown["variables"]] == ["job"]
    assert shown["annotations"] == []
    dropped = {n["path"] for n in told["report"] if "loki" in n["reason"]}
    assert dropped == {"/templating/list/0", "/panels/0/targets/0", "/panels/1/targets/0"}


def test_a_dry_run_saves_nothing_and_an_import_can_replace(served: LocalServer) -> None:
    path = "/dashboards/import"
    dry = ask(served, "POST", path, {"dashboard": NODE, "dry_run": True})
    assert (dry.status_code, dry.json()["id"], dry.json()["panels"]) == (200, None, 4)
    assert ask(served, "GET", "/dashboards").json()["data"] == []

    made = save(served, panel("up"))
    replace = {"dashboard": NODE, "id": made["id"], "version": 1}
    assert ask(served, "POST", path, replace).json()["version"] == 2
    assert ask(served, "POST", path, replace).json()["error"]["code"] == "version_conflict"
    wrapped = {"dashboard": {"dashboard": NODE, "meta": {}}}
    assert ask(served, "POST", path, wrapped).status_code == 201
    assert ask(served, "POST", path, {"dashboard": {"panels": []}}).status_code == 400
    assert ask(served, "POST", path, {"dashboard": {}}, Role.READ_ONLY).status_code == 403


def test_what_is_exported_is_imported_as_it_was(served: LocalServer) -> None:
    first = ask(served, "POST", "/dashboards/import", {"dashboard": NODE}).json()
    url = f"/dashboards/{first['id']}/export"
    out = ask(served, "GET", f"{url}?format=grafana", role=Role.READ_ONLY)
    second = ask(served, "POST", "/dashboards/import", {"dashboard": out.json()}).json()

    assert out.headers["content-disposition"].startswith("attachment")
    assert out.json()["panels"][0]["targets"][0]["datasource"]["type"] == "prometheus"
    assert _bare(second["dashboard"]) == _bare(first["dashboard"])
    assert [note["path"] for note in second["report"]] == ["/templating/list/0"]  # the data source

    plain = ask(served, "GET", url, role=Role.READ_ONLY).json()
    assert _bare(ask(served, "POST", "/dashboards", plain).json()) == _bare(first["dashboard"])
    assert ask(served, "GET", f"{url}?format=xml").status_code == 400


def _bare(dashboard: dict[str, Any]) -> dict[str, Any]:
    """A dashboard without what is another's each time."""
    names = ("title", "tags", "variables", "annotations", "refresh", "time_range", "description")
    panels = [{k: v for k, v in found.items() if k != "id"} for found in dashboard["panels"]]
    return {name: dashboard[name] for name in names} | {"panels": panels}


_TEXT = st.text(max_size=5)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 30) | st.floats(allow_nan=False) | _TEXT,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(_TEXT, part, max_size=3),
    max_leaves=5,
)


@given(st.data())
def test_whatever_is_imported_can_be_saved_or_is_refused(data: st.DataObject) -> None:
    """Any value anywhere in a real dashboard: a dashboard that passes all checks, or a 400."""
    dashboard = copy.deepcopy(NODE)
    for _ in range(data.draw(st.integers(1, 3))):
        holder: Any = dashboard
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(holder[key], dict | list) and holder[key] and data.draw(st.booleans()):
                holder = holder[key]
                continue
            holder[key] = data.draw(_JSON)
            break
    try:
        found, _ = imported(dashboard)
        check_dashboard(found, Tries())
    except InvalidRequest:
        return
    content = found.model_dump(mode="json", by_alias=True, exclude={"id", "version"})
    back, _ = imported(exported("dash_1", 1, content))
    assert back.model_dump(exclude={"variables"}) == found.model_dump(exclude={"variables"})


@given(
    st.lists(
        st.fixed_dictionaries(
            {name: st.integers(0, 30) for name in "xy"} | {n: st.integers(0, 40) for n in "wh"}
        ),
        max_size=12,
    )
)
def test_packed_panels_fit_and_do_not_overlap(grids: list[dict[str, int]]) -> None:
    out = packed([{"grid": grid} for grid in grids])
    cells = [
        (x, y)
        for found in out
        for g in [found["grid"]]
        for x in range(g["x"], g["x"] + g["w"])
        for y in range(g["y"], g["y"] + g["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert all(0 <= x < 24 for x, _ in cells)
    assert packed(out) == out


@pytest.mark.parametrize("value", [[], "x", {"title": 1}, {"title": "T", "panels": "x"}])
def test_what_is_no_dashboard(seen: LocalServer, value: Any) -> None:
    answer = ask(seen, "POST", "/dashboards/import", {"dashboard": value})
    assert answer.status_code == (201 if value == {"title": "T", "panels": "x"} else 400)


@pytest.mark.parametrize("name", ["annotations", "templating"])
def test_a_report_has_a_limit(name: str) -> None:
    """A document of 4 MB had a report of 900 MB."""
    parts: list[dict[str, Any]] = [{}] * MOST_NOTES
    _, notes = imported({"title": "x", name: {"list": parts}})
    assert len(notes) == MOST_NOTES
    with pytest.raises(InvalidRequest, match="more than 5000 parts"):
        imported({"title": "x", name: {"list": [*parts, {}]}})


def test_what_is_beyond_a_limit_is_reported() -> None:
    steps = [{"value": n, "color": "red"} for n in range(51)]
    found, report = imported(
        {
            "title": "Large",
            "tags": [f"t{n}" for n in range(51)],
            "annotations": {"list": [{"name": "a", "expr": "up"}] * 21},
            "templating": {
                "list": [{"name": "v", "type": "custom", "query": ",".join(map(str, range(1001)))}]
            },
            "panels": [
                {
                    "type": "stat",
                    "targets": [{"expr": "up"}],
                    "fieldConfig": {"defaults": {"thresholds": {"steps": steps}}},
                }
            ],
        }
    )
    (panel_in,), (variable,) = found.panels, found.variables
    assert (len(found.tags), len(found.annotations)) == (50, 20)
    assert (len(variable.values), len(panel_in.thresholds)) == (1000, 50)
    assert [(note.path, note.reason) for note in report] == [
        ("/templating/list/0/query", "values beyond the first 1000"),
        ("/panels/0/fieldConfig/defaults/thresholds/steps", "thresholds beyond the first 50"),
        ("/tags", "tags beyond the first 50"),
        ("/annotations/list", "annotations beyond the first 20"),
    ]
