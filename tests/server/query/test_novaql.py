"""POST /v1/novaql: answers, formats, located errors, strict bodies."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pytest

from novaql.server.auth.roles import Role
from novaql.server.query.schema import NovaqlAnswer
from tests.server.conftest import NOW_S
from tests.support.servers.http_server import LocalServer, local_server


def test_an_instant_query_is_a_vector_of_numbers(server: LocalServer) -> None:
    answer = server.novaql(query='up{instance="a"}', time=NOW_S).json()

    assert answer["result_type"] == "vector"
    assert answer["result"] == [
        {
            "metric": {"__name__": "up", "job": "api", "instance": "a"},
            "value": [NOW_S, 1],
        }
    ]
    assert answer["stats"]["series"] == 1
    assert answer["window"] == {"start": NOW_S, "end": NOW_S, "step": 0, "lookback": 300}


def test_a_range_query_is_a_matrix(server: LocalServer) -> None:
    answer = server.novaql(
        query="sum by (code) (requests_total)", start=NOW_S - 120, end=NOW_S, step="1m"
    ).json()

    assert answer["result_type"] == "matrix"
    assert {series["metric"]["code"]: series["values"] for series in answer["result"]} == {
        "200": [[NOW_S - 120, 960], [NOW_S - 60, 1080], [NOW_S, 1200]],
        "500": [[NOW_S - 120, 48], [NOW_S - 60, 54], [NOW_S, 60]],
    }


@pytest.mark.parametrize(
    ("query", "result"),
    [("0 / 0", "NaN"), ("1 / 0", "+Inf"), ("-1 / 0", "-Inf"), ("1e-7", 1e-7), ('"text"', "text")],
)
def test_what_json_has_no_number_for_is_text(
    server: LocalServer, query: str, result: object
) -> None:
    assert [NOW_S, result] == server.novaql(query=query, time=NOW_S).json()["result"]


def test_answers_have_the_documented_shape(server: LocalServer) -> None:
    for body in (
        {"query": "up", "time": NOW_S, "explain": True},
        {"query": "up", "start": NOW_S - 60, "end": NOW_S, "step": 15},
        {"query": "1", "time": "2026-01-01T00:00:00Z"},
        {"query": '"a"', "time": NOW_S},
        {"query": "rate(up[5m])", "time": NOW_S},
    ):
        NovaqlAnswer.model_validate_json(server.novaql(**body).content)


def test_explain_adds_the_plan(server: LocalServer) -> None:
    assert "up" in server.novaql(query="up", time=NOW_S, explain=True).json()["explain"]
    assert "explain" not in server.novaql(query="up", time=NOW_S).json()


def test_limit_cuts_and_says_so(server: LocalServer) -> None:
    cut = server.novaql(query="up", time=NOW_S, limit=1).json()
    whole = server.novaql(query="up", time=NOW_S, limit=2).json()
    raw = server.novaql(query="up[1m]", time=NOW_S, limit=1).json()

    assert len(cut["result"]) == len(raw["result"]) == 1
    assert cut["warnings"] == ["results truncated due to limit"]
    assert len(whole["result"]) == 2
    assert whole["warnings"] == []


def test_csv_and_arrow_by_accept_and_by_format(server: LocalServer) -> None:
    body = {"query": "up", "time": NOW_S}
    for extra, accept in (({}, "text/csv"), ({"format": "csv"}, "application/json")):
        headers = server.bearer() | {"Accept": accept}
        answer = server.client.post("/v1/novaql", json=body | extra, headers=headers)
        assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
        assert answer.text.splitlines()[0] == "time,value,__name__,instance,job"
        assert len(answer.text.splitlines()) == 3

    headers = server.bearer() | {"Accept": "application/vnd.apache.arrow.stream, */*;q=0.1"}
    answer = server.client.post("/v1/novaql", json=body, headers=headers)
    table = pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()
    assert table["value"].to_pylist() == [1.0, 0.0]


@pytest.mark.parametrize("form", ["json", "csv"])
def test_the_layout_is_that_of_arrow_streams_alone(server: LocalServer, form: str) -> None:
    asked = {"query": "up", "format": form, "time": NOW_S}
    plain, wide = (
        server.client.post("/v1/novaql", json=asked | layout, headers=server.bearer())
        for layout in ({}, {"layout": "wide"})
    )

    assert wide.status_code == 200
    if form == "csv":
        assert wide.text == plain.text
    else:
        assert wide.json()["result"] == plain.json()["result"]


def test_a_format_that_cannot_be_written_is_406(server: LocalServer) -> None:
    headers = server.bearer() | {"Accept": "image/png"}
    answer = server.client.post("/v1/novaql", json={"query": "1"}, headers=headers)

    assert answer.status_code == 406
    assert answer.json()["error"]["code"] == "not_acceptable"


WRONG_QUERIES = {
    "misspelt function": "rat(up[5m])",
    "wrong type": "rate(5)",
    "unclosed brace": 'up{job="api"',
    "bad regex": 'up{job=~"("}',
    "bad duration": "rate(up[5x])",
    "nothing": "",
    "unclosed text": 'up{job="api}',
    "two operators": "up + * up",
    "unknown aggregation": "summ by (job) (up)",
    "set operator on a text": 'up and "api"',
    "range as operand": "up[5m] + 1",
    "missing argument": "histogram_quantile(0.9)",
}


@pytest.mark.parametrize("query", WRONG_QUERIES.values(), ids=WRONG_QUERIES.keys())
def test_a_wrong_query_is_located(server: LocalServer, query: str) -> None:
    answer = server.novaql(query=query)

    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["line"] == 1
    assert 1 <= error["column"] <= len(query) + 1
    assert error["length"] >= 1
    assert "^" in error["picture"]
    assert len(error["message"]) > 10
    assert error["request_id"] == answer.headers["x-request-id"]


def test_an_error_found_while_evaluating_tells_its_place(server: LocalServer) -> None:
    answer = server.novaql(query='label_replace(vector(1), "", "$1", "src", ".*")')

    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["code"] == "execution_error"
    assert (error["line"], error["column"], error["length"]) == (1, 26, 2)


@pytest.mark.parametrize("query", WRONG_QUERIES.values(), ids=WRONG_QUERIES.keys())
def test_a_wrong_query_is_bad_data_for_prometheus_clients(server: LocalServer, query: str) -> None:
    answer = server.prometheus("query", query=query)

    assert answer.status_code == 400
    assert answer.json()["errorType"] == "bad_data"
    place = "1:" if query else "unknown position: parse error: no expression found in input"
    assert answer.json()["error"].startswith(f'invalid parameter "query": {place}')


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ('{"query":"1","tiem":1}', "/tiem"),
        ('{"query":1}', "/query"),
        ("{}", "/query"),
        ("[]", ""),
        ('{"query":"1","time":NaN}', "/time"),
        ('{"query":"1","time":1e400}', "/time"),
        ('{"query":"1","query":"2"}', "/query"),
        ('{"query":"1","limit":"5"}', "/limit"),
        ('{"query":"1","limit":-1}', "/limit"),
        ('{"query":"1","limit":1.5}', "/limit"),
        ('{"query":"1","explain":1}', "/explain"),
        ('{"query":"1","format":"xml"}', "/format"),
        ('{"query":"1","time":"yesterday-ish"}', "/time"),
        ('{"query":"1","time":true}', "/time"),
        ('{"query":"1","time":{"a":1}}', "/time"),
        ('{"query":"1","time":[1]}', "/time"),
        ('{"query":"1","a~/b":1}', "/a~0~1b"),
        ('{"query":"1","end":1}', "/start"),
        ('{"query":"1","start":2,"end":1,"step":1}', "/end"),
        ('{"query":"1","start":1,"end":2,"step":0}', "/step"),
        ('{"query":"1","lookback":"0s"}', "/lookback"),
        ('{"query":"1","timeout":"-1s"}', "/timeout"),
        ('{"query":"\\ud800"}', "/query"),
        ('{"query":', ""),
        ("\xff", ""),
        ("[" * 100_000, ""),
        ('{"query":"1","limit":' + "9" * 5000 + "}", "/limit"),
    ],
)
def test_a_wrong_body_is_400_and_names_the_field(
    server: LocalServer, body: str, pointer: str
) -> None:
    headers = server.bearer() | {"Content-Type": "application/json"}
    answer = server.client.post("/v1/novaql", content=body.encode("latin-1"), headers=headers)

    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["code"] == "validation_error"
    assert [detail["pointer"] for detail in error["details"]] == [pointer]


def test_all_wrong_fields_are_named(server: LocalServer) -> None:
    error = server.novaql(query=1, limit="x", what=0).json()["error"]

    assert {d["pointer"] for d in error["details"]} == {"/query", "/limit", "/what"}


def test_other_bodies_are_refused_before_they_are_read(server: LocalServer) -> None:
    headers = server.bearer()
    post = server.client.post
    text = post("/v1/novaql", content="1", headers=headers | {"Content-Type": "text/plain"})
    packed = post("/v1/novaql", json={"query": "1"}, headers=headers | {"Content-Encoding": "gzip"})
    large = post("/v1/novaql", json={"query": "1" * (1 << 20)}, headers=headers)

    assert [text.status_code, packed.status_code, large.status_code] == [415, 415, 413]
    assert large.json()["error"]["code"] == "body_too_large"


def test_limits_are_told_as_such() -> None:
    with local_server(max_query_samples=10, max_query_points=5) as server:
        server.write([({"__name__": "m"}, [(i * 1000, 0.0) for i in range(20)])])
        samples = server.novaql(query="m[1m]", time=20)
        points = server.novaql(query="m", start=0, end=10, step=1)

    for answer, limit in ((samples, "10"), (points, "6")):
        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "query_limit"
        assert f"limit is {limit}" in answer.json()["error"]["message"]


def test_data_that_does_not_allow_the_query_is_an_execution_error(server: LocalServer) -> None:
    body: dict[str, Any] = {"query": "up * on (job) up", "time": NOW_S}

    assert server.novaql(**body).json()["error"]["code"] == "execution_error"
    assert server.novaql(**body).status_code == 422
    assert server.prometheus("query", **body).json()["errorType"] == "execution"


def test_compression_is_negotiated(server: LocalServer) -> None:
    body = {"query": "rate(up[1m])", "start": NOW_S - 600, "end": NOW_S, "step": 1}
    plain = server.client.post(
        "/v1/novaql", json=body, headers=server.bearer() | {"Accept-Encoding": "identity"}
    )
    packed = server.client.post(
        "/v1/novaql", json=body, headers=server.bearer() | {"Accept-Encoding": "gzip"}
    )

    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 4
    assert packed.json()["result"] == plain.json()["result"]


def test_reading_needs_the_smallest_role(server: LocalServer) -> None:
    assert [server.novaql(role, query="1").status_code for role in Role] == [200, 200, 200]


def test_params_are_put_in_safely(server: LocalServer) -> None:
    def asked(query: str, **params: Any) -> list[str]:
        answer = server.novaql(query=query, params=params, time=NOW_S).json()
        return sorted(series["metric"]["instance"] for series in answer["result"])

    assert asked("up{instance=$i}", i="a") == ["a"]
    assert asked("up{instance=$i}", i='a"} or up{x="') == []
    assert asked("up{instance=~$i} > $least", i=["a", "."], least=-1) == ["a"]
    assert asked("last_over_time(up{instance=$i}[$w])", i="a", w="5m") == ["a"]


@pytest.mark.parametrize(
    ("query", "params", "status", "pointer", "said"),
    [
        ("up{a=$x}", {}, 422, None, "params has no x"),
        ("up", {"x": 1}, 400, "/params", "the query has no $x"),
        ("up{a=$x}", {"x": ["a"]}, 400, "/params", "only =~ and !~ take"),
        ("up > $x", {"x": True}, 400, "/params/x", ""),
        ("up{a=~$x}", {"x": [1.5]}, 400, "/params/x", ""),
    ],
)
def test_params_that_do_not_suit(
    server: LocalServer,
    query: str,
    params: dict[str, Any],
    status: int,
    pointer: str | None,
    said: str,
) -> None:
    answer = server.novaql(query=query, params=params, time=NOW_S)

    assert answer.status_code == status
    assert said in answer.text
    assert pointer is None or pointer in answer.text


def test_a_range_needs_only_its_start(server: LocalServer) -> None:
    window = server.novaql(query="1", start="-1h").json()["window"]

    assert (window["end"] - window["start"], window["step"]) == (3600, 15)


def test_an_empty_answer_says_what_is_near(server: LocalServer) -> None:
    answer = server.novaql(query="request_total", time=NOW_S).json()

    assert answer["result"] == []
    assert "did you mean requests_total?" in answer["infos"][0]
    assert "the data has samples from" in answer["infos"][1]


def test_an_error_in_a_query_with_params_shows_the_text_as_written(server: LocalServer) -> None:
    body = {"query": "up{job=~$jobs}\n + rat(up)", "params": {"jobs": ["a", "long value"]}}
    answer = server.client.post("/v1/novaql", json=body, headers=server.bearer())
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert (error["line"], error["column"], error["picture"]) == (2, 4, " + rat(up)\n   ^^^")
