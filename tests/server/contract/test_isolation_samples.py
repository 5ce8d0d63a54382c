"""Samples of another tenant: whatever is asked, and whoever asked before, answers hold the own."""

from __future__ import annotations

import cramjam
import pytest

from tests.server.contract.conftest import TwoTenants
from tests.server.contract.test_isolation import write
from tests.support.messages.remote_messages import ReadRequestMessage
from tests.support.messages.remote_write_messages import message_of, packed
from tests.support.servers.http_server import WRITE_HEADERS

AT_S = 1_700_000_000


@pytest.fixture(scope="module")
def filled(two: TwoTenants) -> TwoTenants:
    """Both tenants have `up`, each with a job of its own, which is also its metric's help."""
    write(two, two.here.token, "alpha")
    write(two, two.there.token, "omega")
    for walk, name in ((two.here, "alpha"), (two.there, "omega")):
        text = (
            f"# HELP {name}_total of {name}\n# TYPE {name}_total counter\n"
            f'{name}_total{{job="{name}"}} 1 {AT_S}\n# EOF\n'
        )
        answer = two.server.client.post(
            "/v1/ingest",
            content=text,
            headers={
                "Authorization": f"Bearer {walk.token}",
                "Content-Type": "application/openmetrics-text",
            },
        )
        assert answer.status_code == 200, answer.text
        message = message_of([({"__name__": "seen", "job": name}, [(AT_S * 1000, 1.0)])])
        exemplar = message.timeseries[0].exemplars.add(value=1, timestamp=AT_S * 1000)
        exemplar.labels.add(name="trace_id", value=name)
        answer = two.server.client.post(
            "/prometheus/api/v1/write",
            content=packed(message),
            headers=WRITE_HEADERS | {"Authorization": f"Bearer {walk.token}"},
        )
        assert answer.status_code == 204, answer.text
    return two


READS = [
    "query?query=up&time=1700000000",
    'query?query=count({__name__=~".%2B"})&time=1700000000',
    "query_range?query=up&start=1699999990&end=1700000000&step=5",
    'query_exemplars?query={__name__=~".%2B"}&start=1699990000&end=1700010000',
    'series?match[]={__name__=~".%2B"}',
    "labels",
    "label/job/values",
    "label/__name__/values",
    "metadata",
    "search/metric_names?search[]=a&start=0&end=1800000000",
    "search/label_values?label=job&start=0&end=1800000000",
    "status/tsdb",
    "status/tsdb/blocks",
    "status/config",
    "rules",
    "alerts",
    "targets",
    "targets/metadata",
    "scrape_pools",
]


@pytest.mark.parametrize("path", [f"/prometheus/api/v1/{read}" for read in READS])
def test_what_the_prometheus_base_tells_is_the_tenants_own(filled: TwoTenants, path: str) -> None:
    told = {}
    for walk, own, foreign in (
        (filled.here, "alpha", "omega"),
        (filled.there, "omega", "alpha"),
        (filled.here, "alpha", "omega"),  # what the other one's answer left in a cache
    ):
        answer = walk.request("GET", path)
        assert answer.status_code == 200, answer.text
        assert foreign not in answer.text
        told[own] = own in answer.text

    tells = ("=up", "exemplars", "series", "values", "v1/metadata", "search", "status/tsdb")
    assert all(told.values()) == (any(w in path for w in tells) and "blocks" not in path)


def test_federation_and_remote_read_tell_the_tenants_own(filled: TwoTenants) -> None:
    for walk, own, foreign in ((filled.here, "alpha", "omega"), (filled.there, "omega", "alpha")):
        bearer = {"Authorization": f"Bearer {walk.token}"}
        path = '/federate?match[]={__name__=~".%2B"}'
        assert foreign not in filled.server.client.get(path, headers=bearer).text
        message = ReadRequestMessage(accepted_response_types=[0])
        query = message.queries.add(start_timestamp_ms=0, end_timestamp_ms=AT_S * 2000)
        query.matchers.add(type=2, name="__name__", value=".+")
        answer = filled.server.client.post(
            "/prometheus/api/v1/read",
            content=bytes(cramjam.snappy.compress_raw(message.SerializeToString())),
            headers=bearer | {"Content-Encoding": "snappy"},
        )
        assert answer.status_code == 200, answer.text
        raw = bytes(cramjam.snappy.decompress_raw(answer.content))
        assert own.encode() in raw
        assert foreign.encode() not in raw


JOB = {"name": "job", "type": "query", "query": "label_values(up, job)"}


def test_queries_of_every_kind_see_the_tenants_own(filled: TwoTenants) -> None:
    everything = '{__name__=~".+"}'
    for walk, own, foreign in ((filled.here, "alpha", "omega"), (filled.there, "omega", "alpha")):
        dashboard = {
            "title": "D",
            "variables": [
                {
                    "name": "job",
                    "type": "query",
                    "query": "label_values(up, job)",
                    "include_all": True,
                }
            ],
            "annotations": [{"name": "a", "expr": "up", "title": "{{job}}"}],
            "panels": [
                {
                    "title": "P",
                    "type": "timeseries",
                    "queries": [{"expr": 'up{job=~"$job"}', "legend": "{{job}}"}],
                    "grid": {"x": 0, "y": 0, "w": 12, "h": 8},
                }
            ],
        }
        made = walk.request("POST", "/v1/dashboards", dashboard).json()
        panel = made["panels"][0]["id"]
        window = f"start={AT_S - 60}&end={AT_S}&step=30"
        embed = walk.request("POST", f"/v1/panels/{panel}/embeds", {"origins": []}).json()
        data_url = embed["data_url"].partition("/v1")[2]
        rule = {"name": "Any", "expr": "up", "interval": "15s"}
        tried = {
            "rule": rule,
            "start": "2023-11-14T22:13:00Z",
            "end": "2023-11-14T22:13:30Z",
        }
        asked = [
            walk.request("POST", "/v1/novaql", {"query": everything, "time": AT_S}),
            walk.request("POST", "/v1/novaql", {"query": "up", "time": AT_S, "explain": "analyze"}),
            walk.request("POST", "/v1/novaql/lint", {"query": 'up{job="alpa"}'}),
            walk.request("POST", "/v1/novaql/complete", {"query": 'up{job="'}),
            walk.request("GET", f"/v1/panels/{panel}/data?{window}&var-job=$__all"),
            walk.request("GET", f"/v1/panels/{panel}/data?{window}&var-job={foreign}"),
            walk.request("GET", f"/v1/dashboards/{made['id']}/variables?{window}"),
            walk.request("GET", f"/v1/dashboards/{made['id']}/annotations?{window}"),
            walk.request("POST", "/v1/alert-rules/test", tried),
            walk.request("GET", f"/v1{data_url}&{window}"),
        ]
        for answer in asked:
            assert answer.status_code == 200, answer.text
            text = answer.text.replace(f'"job":["{foreign}"]', "")  # what was chosen here
            assert foreign not in text.replace(f'job=~\\"{foreign}', ""), answer.text
        assert own in asked[0].text
        assert own in asked[8].text
        assert asked[5].json()["queries"][0]["result"] == []
