"""Prometheus's API: envelope, formats, parameters, errors."""

from __future__ import annotations

import json

import pytest

from novaql.server.auth.roles import Role
from novaql.server.prometheus.envelope import capped
from novaql.server.prometheus.label_names import unescaped_name
from tests.server.conftest import NOW_S
from tests.support.messages.remote_write_messages import message_of, packed
from tests.support.servers.http_server import WRITE_HEADERS, LocalServer, local_server


def test_values_are_texts_and_times_numbers(server: LocalServer) -> None:
    answer = server.prometheus("query", query='up{instance="a"}', time=f"{NOW_S}.5")

    assert answer.content == (
        b'{"status":"success","data":{"resultType":"vector","result":[{"metric":'
        b'{"__name__":"up","instance":"a","job":"api"},"value":[1700000000.5,"1"]}]}}'
    )


def test_range_query_by_form(server: LocalServer) -> None:
    form = {"query": "up", "start": NOW_S - 30, "end": NOW_S, "step": "15s"}
    url = "/api/v1/query_range?query=ignored"
    answer = server.client.post(url, data=form, headers=server.bearer())

    result = answer.json()["data"]["result"]
    assert [[v for _, v in series["values"]] for series in result] == [["1"] * 3, ["0"] * 3]


def test_a_json_body_is_no_form(server: LocalServer) -> None:
    answer = server.client.post("/api/v1/query", json={"query": "1"}, headers=server.bearer())

    assert answer.status_code == 415
    assert answer.json()["status"] == "error"


@pytest.mark.parametrize("time", ["now/d", "now-1h", "1h ago", "-1h", "2026-03-01"])
def test_times_are_those_of_prometheus(server: LocalServer, time: str) -> None:
    answer = server.prometheus("query", query="1", time=time)

    assert answer.status_code == 400
    assert "to a valid timestamp" in answer.json()["error"]
    assert server.novaql(query="1", time=time).status_code == 200


@pytest.mark.parametrize(
    ("time", "status"),
    [
        ("2026-01-01T00:10:00,5Z", 200),
        ("2026-01-01T00:10:00.5+01:00", 200),
        ("2026-01-01T00:10Z", 400),
        ("2026-01-01t00:10:00z", 400),
        ("2026-01-01T00:10:00+0100", 400),
    ],
)
def test_dates_are_those_of_prometheus(server: LocalServer, time: str, status: int) -> None:
    assert server.prometheus("query", query="1", time=time).status_code == status


@pytest.mark.parametrize("duration", ["5min", "1D", "1H", "1W", " 5m", "5 m", "m"])
@pytest.mark.parametrize("name", ["step", "timeout", "lookback_delta", "rollup"])
def test_durations_are_those_of_prometheus(server: LocalServer, name: str, duration: str) -> None:
    times = {"start": "0", "end": "600", "step": "5m"}
    answer = server.prometheus("query_range", query="1", **(times | {name: duration}))

    assert answer.status_code == 400
    assert f'cannot parse "{duration}" to a valid duration' in answer.json()["error"]


@pytest.mark.parametrize("step", ["5min", "1D"])
def test_durations_of_pandas_are_those_of_novaql(server: LocalServer, step: str) -> None:
    answer = server.novaql(query="1", start=0, end=600, step=step)

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("path", "parameters", "message"),
    [
        ("query", {"query": "1", "time": "now"}, 'cannot parse "now" to a valid timestamp'),
        (
            "query",
            {"query": "1", "timeout": "x"},
            '"timeout": cannot parse "x" to a valid duration',
        ),
        ("query", {"query": "1", "limit": "-1"}, '"limit": limit must be non-negative'),
        ("query", {}, 'invalid parameter "query"'),
        ("query_range", {"query": "1"}, '"start": cannot parse "" to a valid timestamp'),
        (
            "query_range",
            {"query": "1", "start": 2, "end": 1, "step": 1},
            '"end": end timestamp must not be before start time',
        ),
        (
            "query_range",
            {"query": "1", "start": 1, "end": 2, "step": 0},
            '"step": zero or negative query resolution step widths are not accepted. '
            "Try a positive integer",
        ),
        (
            "query_range",
            {"query": "1", "start": 0, "end": 11_001, "step": 1},
            "exceeded maximum resolution of 11,000 points per timeseries. "
            "Try decreasing the query resolution (?step=XX)",
        ),
        ("series", {}, "no match[] parameter provided"),
        ("series", {"match[]": "up +"}, 'invalid parameter "match[]": 1:'),
        ("series", {"match[]": "rate(up[5m])"}, 'invalid parameter "match[]": 1:'),
        ("series", {"match[]": "up OFFSET 5m"}, "1:4: parse error: unexpected <offset>"),
        ("labels", {"match[]": 'up{a="offset"} Offset 5m'}, "1:16: parse error: unexpected <off"),
        (
            "series",
            {"match[]": "up Smoothed"},
            '1:4: parse error: unexpected identifier "smoothed"',
        ),
        ("labels", {"start": "x"}, "\"start\": Invalid time value for 'start': cannot parse"),
    ],
)
def test_bad_data(
    server: LocalServer, path: str, parameters: dict[str, object], message: str
) -> None:
    answer = server.prometheus(path, **parameters)

    assert answer.status_code == 400
    assert answer.json()["errorType"] == "bad_data"
    assert message in answer.json()["error"]


def test_eleven_thousand_steps_are_allowed(server: LocalServer) -> None:
    answer = server.prometheus("query_range", query="vector(1)", start=0, end=11_000, step=1)

    assert len(answer.json()["data"]["result"][0]["values"]) == 11_001


def test_series_labels_and_values(server: LocalServer) -> None:
    assert server.prometheus("labels").json()["data"] == ["__name__", "code", "instance", "job"]
    assert server.prometheus("label/instance/values").json()["data"] == ["a", "b"]
    assert server.prometheus("label/nothing/values").json()["data"] == []
    found = server.prometheus("series", **{"match[]": ['up{instance="a"}', '{code="500"}']}).json()
    assert found["data"] == [
        {"__name__": "requests_total", "code": "500", "job": "api"},
        {"__name__": "up", "instance": "a", "job": "api"},
    ]
    late = server.prometheus("series", **{"match[]": "up", "start": NOW_S + 1}).json()
    assert late["data"] == []


def test_limit_warns_where_it_cuts(server: LocalServer) -> None:
    warned = ["results truncated due to limit"]
    for path, parameters, count in (
        ("labels", {}, 4),
        ("label/instance/values", {}, 2),
        ("series", {"match[]": "up"}, 2),
    ):
        cut = server.prometheus(path, limit=1, **parameters).json()
        whole = server.prometheus(path, limit=count, **parameters).json()
        assert len(cut["data"]) == 1
        assert cut["warnings"] == warned
        assert len(whole["data"]) == count
        assert "warnings" not in whole
    query = server.prometheus("query", query="up", time=NOW_S, limit=1).json()
    assert len(query["data"]["result"]) == 1
    assert query["warnings"] == warned


def test_annotations_are_told_and_capped(server: LocalServer) -> None:
    told = server.prometheus("query", query="rate(up[5m])", time=NOW_S).json()

    assert len(told["infos"]) == 1
    assert "warnings" not in told
    assert capped([str(i) for i in range(13)], "warning") == [
        *[str(i) for i in range(10)],
        "3 more warning annotations omitted",
    ]


def test_statistics_on_request(server: LocalServer) -> None:
    stats = server.prometheus("query", query="up", time=NOW_S, stats="all").json()["data"]["stats"]

    assert stats["samples"]["totalQueryableSamples"] >= 2
    assert "stats" not in server.prometheus("query", query="up").json()["data"]


def test_lookback_delta(server: LocalServer) -> None:
    def count(**parameters: str) -> int:
        answer = server.prometheus("query", query="up", time=NOW_S + 60, **parameters)
        return len(answer.json()["data"]["result"])

    assert [count(), count(lookback_delta="30s")] == [2, 0]


def test_status_and_format(server: LocalServer) -> None:
    assert server.prometheus("status/buildinfo").json()["data"]["version"].count(".") == 2
    assert server.prometheus("status/runtimeinfo").json()["data"]["startTime"].endswith("Z")
    formatted = server.prometheus("format_query", query="sum(up)by(job)").json()["data"]
    assert formatted == "sum by (job) (up)"
    for base in ("", "/prometheus"):
        assert server.client.get(f"{base}/-/healthy").text == "NovaQL is Healthy.\n"
        assert server.client.get(f"{base}/-/ready").status_code == 200


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("job", "job"),
        ("U__http_2e_status", "http.status"),
        ("U__a__b", "a_b"),
        ("U__broken_2e", "U__broken_2e"),
        ("U___110000_", "U___110000_"),
    ],
)
def test_escaped_label_names(path: str, name: str) -> None:
    assert name == unescaped_name(path)


def test_metadata_comes_with_remote_write() -> None:
    message = message_of([({"__name__": "m"}, [(1_000, 1.0)])])
    message.metadata.add(type=1, metric_family_name="m", help="Some.", unit="s")
    with local_server() as server:
        headers = WRITE_HEADERS | server.bearer(Role.OPERATOR)
        sent = server.client.post("/api/v1/write", content=packed(message), headers=headers)
        known = server.prometheus("metadata").json()
        none = server.prometheus("metadata", metric="other").json()

    assert sent.status_code == 204
    assert known["data"] == {"m": [{"type": "counter", "help": "Some.", "unit": "s"}]}
    assert none["data"] == {}


@pytest.mark.parametrize(
    ("content", "extra", "status"),
    [
        (b"no snappy", {}, 400),
        (packed(message_of([({}, [(1, 1.0)])])), {}, 400),
        (b"{}", {"Content-Type": "application/json"}, 415),
        (
            b"",
            {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v3.Request"},
            415,
        ),
        (b"", {"Content-Encoding": "gzip"}, 415),
    ],
)
def test_remote_write_refuses_what_it_cannot_read(
    server: LocalServer, content: bytes, extra: dict[str, str], status: int
) -> None:
    headers = WRITE_HEADERS | server.bearer(Role.OPERATOR) | extra
    answer = server.client.post("/api/v1/write", content=content, headers=headers)

    assert answer.status_code == status, answer.text
    assert answer.json()["status"] == "error"


def test_a_large_message_is_413() -> None:
    with local_server(max_write_bytes=1000) as server:
        headers = WRITE_HEADERS | server.bearer(Role.OPERATOR)
        answer = server.client.post("/api/v1/write", content=b"x" * 1001, headers=headers)

    assert answer.status_code == 413


def test_names_in_any_script_survive() -> None:
    with local_server() as server:
        server.write([({"__name__": "température", "città": 'a"b\\\n'}, [(1_000, 1e-7)])])
        answer = server.prometheus("query", query='{"température"}', time=1)

    assert json.loads(answer.content)["data"]["result"] == [
        {"metric": {"__name__": "température", "città": 'a"b\\\n'}, "value": [1, "1e-07"]}
    ]
