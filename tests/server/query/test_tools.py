"""POST /v1/novaql/{parse,format,explain,lint,complete,why-empty} and GET /v1/novaql/functions."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from novaql.language import AGGREGATORS, FUNCTIONS
from novaql.server.auth.roles import Role
from novaql.server.query.schema import (
    CompletedOut,
    ExplainedOut,
    FormattedOut,
    FunctionsOut,
    LintedOut,
    ParsedOut,
    WhyEmptyOut,
)
from tests.server.conftest import NOW_S
from tests.support.servers.http_server import LocalServer


def ask(server: LocalServer, tool: str, **body: Any) -> httpx.Response:
    headers = server.bearer(Role.READ_ONLY)
    return server.client.post(f"/v1/novaql/{tool}", json=body, headers=headers)


def test_parse_tells_the_tree_and_what_is_in_it(server: LocalServer) -> None:
    query = 'sum by (job) (rate(requests_total{code="500"}[5m]))\n / on (job) group_left () up'
    answer = ask(server, "parse", query=query)
    told = answer.json()

    ParsedOut.model_validate(told)
    assert told["type"] == "vector"
    assert told["ast"]["type"] == "binaryExpr"
    assert told["functions"] == ["rate", "sum"]
    assert [(s["metric"], s["line"], s["column"]) for s in told["selectors"]] == [
        ("requests_total", 1, 20),
        ("up", 2, 27),
    ]
    prometheus = server.prometheus("parse_query", query=query).json()["data"]
    assert told["ast"] == prometheus


def test_parse_knows_functions_in_any_case(server: LocalServer) -> None:
    told = ask(server, "parse", query="Sum(RATE(x[5m])) + x |> ABS").json()

    assert told["functions"] == ["abs", "rate", "sum"]
    assert told["ast"]["func"]["name"] == "abs"
    assert told["ast"]["args"][0]["matching"]["card"] == "one-to-one"


def test_format_is_canonical(server: LocalServer) -> None:
    once = ask(server, "format", query="sum(rate( up [5m] ))by(job)").json()["query"]
    FormattedOut.model_validate({"query": once})

    assert once == "sum by (job) (rate(up[5m]))"
    assert ask(server, "format", query=once).json()["query"] == once


def test_format_in_both_styles(server: LocalServer) -> None:
    query = "sum by (job) (rate(up[5m]))"
    piped = ask(server, "format", query=query, style="pipes").json()["query"]

    assert piped == "up[5m] |> rate |> sum by (job)"
    assert ask(server, "format", query=piped, style="nested").json()["query"] == query
    assert ask(server, "format", query=piped).json()["query"] == query
    assert ask(server, "format", query=query, style="prose").status_code == 400


def test_parse_shows_the_extensions(server: LocalServer) -> None:
    def tree(query: str) -> dict[str, Any]:
        found: dict[str, Any] = ask(server, "parse", query=query).json()["ast"]
        return found

    limited = tree("sum by (job) (up) limit 3")
    assert (limited["type"], limited["limit"]) == ("aggregation", 3)
    either = tree('up{job="a" or job="b"}')["alternatives"]
    assert [[m["value"] for m in matchers] for matchers in either] == [["a"], ["b"]]
    joined = tree('a * on (pod=name) group_left (*) prefix "x_" b')["matching"]
    assert joined["renamed"] == {"pod": "name"}
    assert (joined["includeAll"], joined["prefix"]) == (True, "x_")
    assert tree("let r = up in sum(r)")["expr"]["name"] == "up"
    assert tree("(a / b) offset 5m")["type"] == "shiftedExpr"
    assert tree("a if b")["op"] == "if"


def test_explain_has_the_place_of_each_node(server: LocalServer) -> None:
    query = "let r = rate(up[5m]) in sum by (job) (r) default 0"
    nodes = ask(server, "explain", query=query).json()["nodes"]
    places = {n["kind"]: query[n["start"] : n["end"]] for n in nodes}

    assert places["FunctionCall"] == "rate(up[5m])"
    assert places["Aggregation"] == "sum by (job) (r)"
    assert [n["number"] for n in nodes] == list(range(len(nodes)))


def test_why_a_query_is_empty(server: LocalServer) -> None:
    answer = ask(server, "why-empty", query="sum(rate(request_total[5m]))", time=NOW_S)
    WhyEmptyOut.model_validate(answer.json())
    (cause,) = answer.json()["causes"]

    assert (cause["reason"], cause["part"]) == ("metric", "request_total[5m]")
    assert cause["suggestions"] == ["requests_total"]
    there = ask(server, "why-empty", query="1 + 1", time=NOW_S).json()
    assert there == {"empty": False, "causes": [], "complete": True}
    wrong = ask(server, "why-empty", query="up", start=2, end=1, step=1)
    assert wrong.status_code == 400


def test_explain_and_why_empty_take_params_and_show_the_text_as_written(
    server: LocalServer,
) -> None:
    written, params = "up{job=$job} > 1e9", {"job": "a|long|value"}
    asked = {"query": written, "params": params, "time": NOW_S}
    explained = ask(server, "explain", **asked).json()
    assert "a|long|value" in explained["plan"]
    assert {written[node["start"] : node["end"]] for node in explained["nodes"]} <= {
        written,
        "up{job=$job}",
        "1e9",
    }
    (cause,) = ask(server, "why-empty", **asked).json()["causes"]
    assert (cause["reason"], cause["part"], cause["column"]) == ("matcher", "up{job=$job}", 1)
    for tool in ("explain", "why-empty"):
        refused = ask(server, tool, query="sum(up{job=$job}, rat(up))", params=params)
        assert refused.status_code == 422
        assert refused.json()["error"]["picture"].startswith("sum(up{job=$job}, rat(up))")
        assert ask(server, tool, query="up", params=params).status_code == 400


def test_functions_are_the_registry(server: LocalServer) -> None:
    headers = server.bearer(Role.READ_ONLY)
    answer = server.client.get("/v1/novaql/functions", headers=headers)
    FunctionsOut.model_validate(answer.json())
    by_name = {row["name"]: row for row in answer.json()["functions"]}

    assert set(by_name) == {*FUNCTIONS, *AGGREGATORS}
    assert by_name["topk"]["kind"] == "aggregator"
    assert by_name["burn_rate"]["origin"] == "NovaQL"
    assert by_name["round"]["parameters"][1]["optional"]
    assert server.client.get("/v1/novaql/functions").status_code == 401
    unknown = server.client.get("/v1/novaql/functions?kind=aggregator", headers=headers)
    assert (unknown.status_code, unknown.json()["error"]["details"][0]["pointer"]) == (400, "/kind")


def test_explain_is_the_plan_that_a_query_has(server: LocalServer) -> None:
    plan = ask(server, "explain", query="sum(rate(up[5m]))", time=NOW_S)
    ExplainedOut.model_validate(plan.json())

    assert (
        plan.json()["plan"]
        == server.novaql(query="sum(rate(up[5m]))", time=NOW_S, explain=True).json()["explain"]
    )
    wrong = ask(server, "explain", query="up", start=2, end=1, step=1)
    assert (wrong.status_code, wrong.json()["error"]["details"][0]["pointer"]) == (400, "/end")


def test_lint_looks_at_the_tenants_data(server: LocalServer) -> None:
    known = ask(server, "lint", query='up{job="apy"}').json()
    blind = ask(server, "lint", query='up{job="apy"}', data=False).json()
    buckets = ask(server, "lint", query="histogram_quantile(0.9, sum(rate(x_bucket[5m])))").json()

    for told in (known, blind, buckets):
        LintedOut.model_validate(told)
    assert "never-matches" in {finding["rule"] for finding in known["findings"]}
    assert blind["findings"] == []
    (missing,) = [f for f in buckets["findings"] if f["rule"] == "missing-le"]
    assert (missing["severity"], missing["line"], missing["column"]) == ("error", 1, 25)


def test_complete_offers_names_labels_and_values(server: LocalServer) -> None:
    def texts(query: str, **more: Any) -> list[str]:
        answer = ask(server, "complete", query=query, **more)
        assert answer.status_code == 200, answer.text
        CompletedOut.model_validate(answer.json())
        return [found["text"] for found in answer.json()["completions"]]

    assert texts("req")[0] == "requests_total"
    assert texts('requests_total{code="') == ["200", "500"]
    assert {"code", "job"} <= set(texts("sum by ("))
    assert texts("sum(rat", cursor=7)[0] == "rate"
    assert len(texts("", limit=3)) == 3
    assert "requests_total" not in texts("req", start=NOW_S + 86_400, end=NOW_S + 90_000)
    assert ask(server, "complete", query="up", cursor=3).status_code == 400


@pytest.mark.parametrize("tool", ["parse", "format", "explain", "lint", "why-empty"])
def test_a_query_that_does_not_parse_is_located(server: LocalServer, tool: str) -> None:
    answer = ask(server, tool, query="rat(up[5m])")
    error = answer.json()["error"]

    assert answer.status_code == 422
    assert (error["line"], error["column"], error["length"]) == (1, 1, 3)
    assert error["suggestion"] == 'did you mean "rate"?'


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["parse", "format", "explain", "lint", "complete", "why-empty"])
def test_queries_may_nest_as_deep_as_the_language_allows(server: LocalServer, tool: str) -> None:
    deepest, deeper = (calls * "abs(" + "up" + calls * ")" for calls in (199, 200))

    answer = ask(server, tool, query=deepest)
    refused = ask(server, tool, query=deeper)

    assert answer.status_code == 200
    if tool == "complete":
        assert refused.status_code == 200
        return
    assert refused.status_code == 422
    assert "nested more than 200 levels deep" in refused.json()["error"]["message"]
    assert refused.json()["error"]["column"] == 801
    if tool == "parse":
        prometheus = server.prometheus("parse_query", query=deepest).json()["data"]
        assert answer.json()["ast"] == prometheus
        for _ in range(199):
            (prometheus,) = prometheus["args"]
        assert prometheus["name"] == "up"


@pytest.mark.parametrize("tool", ["parse", "format", "explain", "lint", "complete", "why-empty"])
def test_bodies_are_strict(server: LocalServer, tool: str) -> None:
    wrong = ask(server, tool, query="up", what=1)
    missing = ask(server, tool)
    headers = server.bearer() | {"Content-Type": "text/plain"}
    text = server.client.post(f"/v1/novaql/{tool}", content="up", headers=headers)

    assert [d["pointer"] for d in wrong.json()["error"]["details"]] == ["/what"]
    assert (wrong.status_code, missing.status_code, text.status_code) == (400, 400, 415)
    assert server.client.post(f"/v1/novaql/{tool}", json={"query": "up"}).status_code == 401
