"""/v1/panels/{id}/data: any time, three formats, and variables that stay what they are."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock, from_ms
from novaql.server.dashboards.live import MarksOut, PanelDataOut, VariablesOut
from tests.server.dashboards.conftest import JOBS, NOW_S, ask, data, fill, panel, save
from tests.support.servers.http_server import LocalServer, local_server

ATTACK = 'x"} or vector(1) #'
JOB: dict[str, Any] = {
    "name": "job",
    "type": "query",
    "query": "label_values(up, job)",
    "multi": True,
    "include_all": True,
}


def id_of(server: LocalServer, *panels: dict[str, Any], **more: Any) -> str:
    found: str = save(server, *panels, **more)["panels"][0]["id"]
    return found


def strict(text: str) -> Any:
    """JSON by a parser that knows no NaN."""

    def refuse(word: str) -> Any:
        raise AssertionError(word)

    return json.loads(text, parse_constant=refuse)


def test_json_has_what_it_takes_to_draw(served: LocalServer) -> None:
    thresholds = [{"value": None, "color": "red"}, {"value": 0.5, "color": "green"}]
    key = id_of(
        served,
        panel('up{job=~"$job"}', legend="{{job}} is up", unit="bool", thresholds=thresholds),
        variables=[JOB],
    )
    window = {"start": NOW_S - 120, "end": NOW_S, "step": "1m"}
    answer = data(served, key, **window, **{"var-job": "api"})
    told = strict(answer.text)

    PanelDataOut.model_validate(told)
    assert told["panel"]["unit"] == "bool"
    assert told["panel"]["thresholds"] == thresholds
    assert told["window"] == {"start": NOW_S - 120, "end": NOW_S, "step": 60}
    assert told["variables"] == {"job": ["api"]}
    (query,) = told["queries"]
    assert (query["ref"], query["expr"]) == ("A", 'up{job=~"api"}')
    assert query["legends"] == ["api is up"]
    assert query["result"] == [
        {
            "metric": {"__name__": "up", "job": "api"},
            "values": [[NOW_S - 120 + 60 * i, 1] for i in range(3)],
        }
    ]
    assert query["stats"]["series"] == 1


def test_without_a_time_it_is_the_dashboards(served: LocalServer) -> None:
    key = id_of(served, panel("up"), time_range={"from": "now-5m", "to": "now"})
    told = data(served, key, max_points=61).json()

    assert told["window"] == {"start": NOW_S - 300, "end": NOW_S, "step": 5}
    half = data(served, key, start="now-1m", max_points=3).json()["window"]
    assert half == {"start": NOW_S - 60, "end": NOW_S, "step": 30}


def test_nan_and_infinity_are_texts(seen: LocalServer) -> None:
    key = id_of(seen, panel("lost"), panel("up", grid={"x": 12, "y": 0, "w": 1, "h": 1}))
    told = strict(data(seen, key, start=NOW_S, end=NOW_S).text)
    assert told["queries"][0]["result"][0]["values"] == [[NOW_S, "NaN"]]
    lines = data(seen, key, start=NOW_S, end=NOW_S, format="csv").text.splitlines()
    assert lines[1] == "2023-11-14T22:13:20Z,lost,NaN"

    infinite = id_of(seen, panel("1 / (up - up)"), panel("-up / 0", grid=_right()))
    assert ",+Inf" in data(seen, infinite, start=NOW_S, end=NOW_S, format="csv").text


def _right() -> dict[str, int]:
    return {"x": 12, "y": 0, "w": 12, "h": 8}


def test_csv_is_long_and_safe_for_spreadsheets(seen: LocalServer) -> None:
    key = id_of(seen, panel("up - 2", legend="{{job}}"))
    answer = data(seen, key, start=NOW_S - 15, end=NOW_S, step=15, format="csv")
    rows = list(csv.reader(io.StringIO(answer.text, newline="")))

    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert rows[0] == ["time", "series", "value"]
    assert len(rows) == 1 + 2 * len(JOBS)
    assert {row[1] for row in rows[1:]} == {"api", 'b"}', "c.d", "'=HYPERLINK(1)"}
    assert {row[2] for row in rows[1:]} == {"-1", "-2"}  # a number stays one
    assert rows[1][0] == "2023-11-14T22:13:05Z"


def test_series_of_several_queries_are_told_apart(seen: LocalServer) -> None:
    queries = [{"expr": "sum(up)"}, {"expr": "up", "hidden": True}, {"expr": "1", "instant": True}]
    key = id_of(seen, panel("", queries=queries))
    text = data(seen, key, start=NOW_S, end=NOW_S, format="csv").text
    told = data(seen, key, start=NOW_S, end=NOW_S).json()

    assert [line.split(",")[1] for line in text.splitlines()[1:]] == ["A: {}", "C: {}"]
    assert [(q["ref"], q["result_type"]) for q in told["queries"]] == [
        ("A", "matrix"),
        ("C", "scalar"),
    ]


def test_arrow_by_format_and_by_accept(seen: LocalServer) -> None:
    key = id_of(seen, panel("up", legend="{{job}}"))
    window = {"start": NOW_S - 15, "end": NOW_S, "step": 15}
    url, arrow = f"/v1/panels/{key}/data", "application/vnd.apache.arrow.stream"
    headers = seen.bearer(Role.READ_ONLY) | {"Accept": arrow}
    for answer in (
        data(seen, key, **window, format="arrow"),
        seen.client.get(url, params=window, headers=headers),
    ):
        assert answer.headers["content-type"] == arrow
        table = pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()
        assert table.column_names == ["query", "series", "time", "value"]
        assert set(table["series"].to_pylist()) == set(JOBS)
        assert table.num_rows == 2 * len(JOBS)
        assert str(table.schema.field("time").type) == "timestamp[ms, tz=UTC]"
    refused = seen.client.get(url, params=window, headers=headers | {"Accept": "image/png"})
    assert refused.status_code == 406
    assert data(seen, key, format="xml").status_code == 400


@pytest.mark.parametrize("form", ["json", "csv", "arrow"])
def test_nothing_is_an_empty_answer(seen: LocalServer, form: str) -> None:
    key = id_of(seen, panel("nothing"))
    assert data(seen, key, format=form).status_code == 200


def chosen(server: LocalServer, key: str, *jobs: str) -> list[str]:
    answer = data(server, key, start=NOW_S, end=NOW_S, **{"var-job": list(jobs)})
    assert answer.status_code == 200, answer.text
    return sorted(s["metric"].get("job", "?") for s in answer.json()["queries"][0]["result"])


def test_a_value_cannot_change_the_query(seen: LocalServer) -> None:
    for expr in ('up{job="$job"}', 'up{job=~"$job"}', "up{job=~'${job}'}"):
        key = id_of(seen, panel(expr), variables=[{**JOB, "include_all": False}])
        assert chosen(seen, key, ATTACK) == []
        for job in JOBS:
            assert chosen(seen, key, job) == [job]
        assert chosen(seen, key, ".*") == []
        assert chosen(seen, key, "cxd") == []
    outside = id_of(seen, panel("sum by ($job) (up)"), variables=[JOB])
    refused = data(seen, outside, **{"var-job": "job) (up) or vector(1"})
    assert refused.status_code == 400
    assert refused.json()["error"]["details"][0]["pointer"] == "/var-job"
    assert data(seen, outside, **{"var-job": "job"}).status_code == 200


def test_several_values_are_an_escaped_alternation(seen: LocalServer) -> None:
    key = id_of(seen, panel('up{job=~"$job"}'), variables=[JOB])
    assert chosen(seen, key, 'b"}', "c.d") == ['b"}', "c.d"]
    assert chosen(seen, key, "$__all") == sorted(JOBS)
    assert chosen(seen, key) == sorted(JOBS)  # all, since all can be chosen and nothing was
    plain = id_of(seen, panel('up{job="$job"}'), variables=[JOB])
    assert data(seen, plain, **{"var-job": ["a", "b"]}).status_code == 400


def test_all_can_be_a_pattern_of_the_author(seen: LocalServer) -> None:
    key = id_of(seen, panel('up{job=~"$job"}'), variables=[{**JOB, "all_value": "a.*"}])
    assert chosen(seen, key, "$__all") == ["api"]


def test_without_anything_to_choose_there_is_nothing_to_show(seen: LocalServer) -> None:
    nobody = {**JOB, "query": "label_values(nothing, job)", "include_all": False, "multi": False}
    other = {**nobody, "name": "other", "query": 'label_values(up{job="$job"}, job)'}
    mark = {"name": "m", "expr": 'up{job="$job"}', "title": "t"}
    for expr in ('up{job=~"$job"}', 'up{job="$other"}', "sum by ($job) (up)"):
        made = {"variables": [nobody, other], "annotations": [mark]}
        key = id_of(seen, panel(expr), **made)
        shown = data(seen, key)
        assert shown.status_code == 200, shown.text
        assert shown.json()["queries"][0]["result"] == []
        assert "has no value in this time" in shown.json()["warnings"][0]
        assert len(data(seen, key, format="csv").text.splitlines()) == 1
    dashboards = seen.client.get("/v1/dashboards?limit=200", headers=seen.bearer()).json()["data"]
    for what in ("variables", "annotations"):
        path = f"/v1/dashboards/{dashboards[-1]['id']}/{what}"
        assert seen.client.get(path, headers=seen.bearer()).status_code == 200


def test_all_of_nothing_is_nothing(seen: LocalServer) -> None:
    nobody = {**JOB, "query": "label_values(nothing, job)"}
    key = id_of(seen, panel('up{job=~"$job"}'), variables=[nobody])
    assert chosen(seen, key, "$__all") == []


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"var-nope": "x"}, "/var-nope"),
        ({"var-one": ["a", "b"]}, "/var-one"),
        ({"var-one": "z"}, "/var-one"),
        ({"var-one": "$__all"}, "/var-one"),
        ({"var-job": ["api", "$__all"]}, "/var-job"),
        ({"var-job": "x" * 1001}, "/var-job"),
        ({"var-job": ["api", "x" * 1001]}, "/var-job"),
        ({"var-job": "\0"}, "/var-job"),
        ({"var-job": "api", "nope": "x"}, "/nope"),
        ({"given": "x"}, "/given"),
        ({"nope": "x"}, "/nope"),
        ({"format": "xml"}, "/format"),
        ({"start": "yesterday-ish"}, "/start"),
        ({"start": NOW_S, "end": NOW_S - 1}, "/end"),
        ({"step": "0"}, "/step"),
        ({"max_points": "11001"}, "/max_points"),
    ],
)
def test_parameters_that_are_refused(
    seen: LocalServer, given: dict[str, Any], pointer: str
) -> None:
    one = {"name": "one", "type": "custom", "values": ["a", "b"]}
    key = id_of(seen, panel('up{job=~"$job$one"}'), variables=[JOB, one])
    answer = data(seen, key, **given)

    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["details"][0]["pointer"] == pointer


def test_too_many_points_are_a_limit(seen: LocalServer) -> None:
    key = id_of(seen, panel("up"))
    answer = data(seen, key, start=NOW_S - 20_000, end=NOW_S, step=1)

    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "query_limit")


def test_built_in_variables_follow_the_step(seen: LocalServer) -> None:
    ranges = "rate(up[$__rate_interval]) * $__interval_ms + ${__range_s}"
    expr = f"{ranges} + count_over_time(up[$__interval])"
    key = id_of(seen, panel(expr))

    def expr_at(**window: Any) -> str:
        answer = data(seen, key, end=NOW_S, **window)
        assert answer.status_code == 200, answer.text
        found: str = answer.json()["queries"][0]["expr"]
        return found

    assert expr_at(start=NOW_S - 600, step="15s") == (
        "rate(up[1m]) * 15000 + 600 + count_over_time(up[15s])"
    )
    assert "rate(up[10m15s])" in expr_at(start=NOW_S - 6000, step="10m")


def test_variables_tell_what_can_be_chosen(served: LocalServer) -> None:
    made = save(
        served,
        panel("up"),
        variables=[
            JOB,
            {"name": "step", "type": "interval", "values": ["1m", "5m"], "default": ["5m"]},
            {"name": "one", "type": "query", "query": 'label_values(up{job=~"$job"}, job)'},
            {"name": "metric", "type": "query", "query": "metrics(^u)"},
            {"name": "label", "type": "query", "query": "label_names(up)"},
            {
                "name": "result",
                "type": "query",
                "query": "query_result(up == 1)",
                "regex": 'job="([^"]+)"',
            },
        ],
    )
    path = f"/dashboards/{made['id']}/variables"
    told = ask(served, "GET", f"{path}?var-job=api", role=Role.READ_ONLY).json()
    VariablesOut.model_validate(told)
    rows = {row["name"]: (row["options"], row["chosen"]) for row in told["data"]}

    assert rows == {
        "job": (sorted(JOBS), ["api"]),
        "step": (["1m", "5m"], ["5m"]),
        "one": (["api"], ["api"]),
        "metric": (["up"], ["up"]),
        "label": (["__name__", "job"], ["__name__"]),
        "result": (["api"], ["api"]),
    }
    later = ask(served, "GET", f"{path}?start={NOW_S + 9000}&end={NOW_S + 9999}").json()["data"]
    assert later[0]["options"] == []


def test_annotations_are_stretches_of_time(seen: LocalServer) -> None:
    expr = f"up == 1 and on () (vector(time()) <= {NOW_S - 60})"
    annotation = {"name": "deploy", "expr": expr, "title": "{{job}}!"}
    made = save(seen, panel("up"), annotations=[annotation])
    path = f"/dashboards/{made['id']}/annotations?start={NOW_S - 120}&end={NOW_S}&step=15"
    told = ask(seen, "GET", path, role=Role.READ_ONLY).json()
    MarksOut.model_validate(told)

    (mark,) = told["data"]
    assert (mark["annotation"], mark["title"], mark["labels"]["job"]) == ("deploy", "api!", "api")
    assert mark["start"] == "2023-11-14T22:11:20Z"
    assert mark["end"] == "2023-11-14T22:12:20Z"


def test_a_query_that_data_do_not_allow_is_located(seen: LocalServer) -> None:
    key = id_of(seen, panel("up * on () up"))
    answer = data(seen, key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "execution_error")


def test_limits_of_the_server_hold() -> None:
    with local_server(max_query_samples=10) as server:
        server.write([({"__name__": "m"}, [(i * 1000, 0.0) for i in range(20)])])
        key = id_of(server, panel("sum_over_time(m[1m])"))
        answer = data(server, key, start=20, end=20)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "query_limit")


def test_a_refreshed_panel_evaluates_its_new_steps_alone() -> None:
    """Steps of a window that moves are multiples of the step; those of others begin with it."""
    clock = SteppedClock(from_ms(NOW_S * 1000))
    with local_server(clock=clock) as server:
        fill(server)
        key = id_of(server, panel("sum(up)"))

        def times(**window: Any) -> list[float]:
            answer = data(server, key, step="30s", **window)
            assert answer.status_code == 200, answer.text
            (row,) = answer.json()["queries"][0]["result"]
            return [t for t, _ in row["values"]]

        first = times(start="now-10m", end="now")
        reused = server.context.caches.results.steps_reused
        clock.step(timedelta(seconds=31))
        second = times(start="now-10m", end="now")

        assert all(t % 30 == 0 for t in first + second)
        assert second[-1] == first[-1] + 30
        assert NOW_S - 30 < first[-1] <= NOW_S
        assert server.context.caches.results.steps_reused >= reused + len(first) - 2
        assert times(start=NOW_S - 307, end=NOW_S)[0] == NOW_S - 307
