"""Ids of another tenant where they are not in the path: in bodies, filters, cursors and headers.

What is asked with an id of the other tenant, and with one that nobody ever had, is answered alike
and changes alike; what is computed comes from the own samples alone.
"""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import cramjam
import httpx
import pytest

from server.platform.bootstrap import add_tenant
from server.platform.endpoint import Endpoint
from server.platform.ids import new_id
from server.platform.scopes import Role
from server.routes import ROUTES
from tests.server.contract.conftest import TwoTenants
from tests.server.contract.test_isolation import REQUEST_ID, never, seen, write
from tests.support.http_server import WRITE_HEADERS, local_server, token_of
from tests.support.receiver import receiving
from tests.support.remote_messages import ReadRequestMessage
from tests.support.remote_write_messages import message_of, packed
from tests.support.route_walk import ID, Walk, creating

AT_S = 1_700_000_000
LISTS = [
    endpoint
    for endpoint in ROUTES
    if endpoint.methods == ("GET",) and endpoint.query is not None and "{" not in endpoint.path
]


def texts(endpoint: Endpoint) -> list[str]:
    """The filters of a list that take any text."""
    assert endpoint.query is not None
    found = []
    for name, field in endpoint.query.model_fields.items():
        schema = endpoint.query.model_json_schema()["properties"].get(field.alias or name, {})
        kinds = [schema, *schema.get("anyOf", ())]
        if name != "cursor" and any(
            k.get("type") == "string" and not {"enum", "format", "pattern"} & k.keys()
            for k in kinds
        ):
            found.append(field.alias or name)
    return found


FILTERS = [(endpoint, name) for endpoint in LISTS for name in texts(endpoint)]


def without(answer: httpx.Response, key: str) -> tuple[int, str]:
    status, _, text = seen(answer, key)
    return status, text


@pytest.mark.parametrize(("endpoint", "name"), FILTERS, ids=[f"{e.path}?{n}" for e, n in FILTERS])
def test_filters_by_foreign_keys_find_what_made_up_ones_find(
    two: TwoTenants, endpoint: Endpoint, name: str
) -> None:
    for key in two.here.everything():
        made_up = never(key)
        theirs, nobodys = (
            two.there.server.client.get(
                endpoint.path,
                params={name: k},
                headers={"Authorization": f"Bearer {two.there.token}"},
            )
            for k in (key, made_up)
        )
        assert without(theirs, key) == without(nobodys, made_up), key


def test_filters_were_found() -> None:
    assert {"actor", "target"} <= {n for e, n in FILTERS if e.path == "/v1/audit"}
    assert len(FILTERS) > 15


NAMING = ("id", "channels", "depends_on", "service", "actor", "target", "members")


def named(endpoint: Endpoint, key: str) -> Iterator[dict[str, Any]]:
    """Bodies in which fields that name something name the key."""
    assert endpoint.body is not None
    assert endpoint.example is not None
    example = json.loads(json.dumps(endpoint.example))
    for name, field in endpoint.body.model_fields.items():
        if name.endswith(NAMING):
            many = typing.get_origin(field.annotation) is list
            yield {**example, field.alias or name: [key] if many else key}
    if isinstance(example.get("panels"), list):
        yield {**example, "panels": [{**example["panels"][0], "id": key}]}
    if "filters" in endpoint.body.model_fields:
        yield {**example, "filters": {"actor": key}}
        yield {**example, "filters": {"target": key}}
    if "route" in endpoint.body.model_fields:
        yield {**example, "route": {"channels": [key]}}


WITH_NAMES = [
    endpoint
    for endpoint in ROUTES
    if endpoint.methods in (("POST",), ("PATCH",))
    and endpoint.example is not None
    and endpoint.body is not None
    and endpoint.path.startswith("/v1/")
    and "{" not in endpoint.path
    and next(named(endpoint, "x"), None) is not None
]
OWN = re.compile(
    r"(?:expires=\d+&signature=\w+|[a-z]{2,5}_[0-9A-Za-z]{16,32}|\d{4}-\d\d-\d\dT[0-9:.]+Z)"
)


@pytest.mark.parametrize("endpoint", WITH_NAMES, ids=[e.path for e in WITH_NAMES])
def test_bodies_that_name_foreign_things(two: TwoTenants, endpoint: Endpoint) -> None:
    for key in filter(ID.fullmatch, two.here.everything()):
        made_up = never(key)
        for ours, other in zip(named(endpoint, key), named(endpoint, made_up), strict=True):
            answers = []
            for body, k in ((ours, key), (other, made_up)):
                answer = two.there.request("POST", endpoint.path, body)
                status, text = without(answer, k)
                answers.append((status, OWN.sub("OWN", text)))
                made = answer.json() if answer.status_code == 201 else {}
                if isinstance(made, dict) and "id" in made:
                    _take_back(two.there, endpoint.path, made)
            assert answers[0] == answers[1], (key, ours)


def _take_back(walk: Walk, path: str, made: dict[str, Any]) -> None:
    """So that the next body meets the same state: names are free again."""
    for name in ("id", "name"):
        if name in made:
            walk.request("DELETE", f"{path}/{made[name]}")


def test_a_panel_of_another_tenant_is_no_panel_here(two: TwoTenants) -> None:
    panel = two.here.made["/v1/dashboards"]["panels"][0]
    body = {"title": "theft", "panels": [panel]}
    answer = two.there.request("POST", "/v1/dashboards", body)
    shown = two.here.request("GET", f"/v1/panels/{panel['id']}/data")

    assert answer.status_code in (404, 422)
    assert shown.status_code == 200, shown.text


def test_if_match_tells_nothing_of_foreign_things(two: TwoTenants) -> None:
    for endpoint in ROUTES:
        if endpoint.methods != ("PATCH",):
            continue
        path = two.here.path_of(endpoint)
        if path is None:
            continue
        body = {k: v for k, v in (endpoint.example or {}).items() if k != "version"}
        found = set()
        for version in ('"1"', '"99"'):
            headers = {"Authorization": f"Bearer {two.there.token}", "If-Match": version}
            answer = two.server.client.request("PATCH", path, json=body, headers=headers)
            found.add((answer.status_code, REQUEST_ID.sub("", answer.text)))
        assert len(found) == 1, path
        assert next(iter(found))[0] == 404, path


def test_every_cursor_is_of_one_tenant(two: TwoTenants) -> None:
    for name in "abc":
        for endpoint in creating():  # some more of what can be made again
            if "{" not in endpoint.path:
                example = dict(endpoint.example or {})
                for field in ("name", "email", "title"):
                    if isinstance(example.get(field), str):
                        example[field] = f"{name}-{example[field]}"[:60]
                two.here.request("POST", endpoint.path, example)
    tried = set()
    for endpoint in LISTS:
        first = two.here.request("GET", f"{endpoint.path}?limit=1").json()
        if not isinstance(first, dict) or "next_cursor" not in first:
            continue
        path = f"{endpoint.path}?limit=1&cursor={first['next_cursor']}"
        assert two.here.request("GET", path).status_code == 200
        foreign = two.there.request("GET", path)
        assert (foreign.status_code, foreign.json()["error"]["code"]) == (400, "invalid_cursor")
        tried.add(endpoint.path)

    assert tried >= {"/v1/services", "/v1/webhooks", "/v1/audit", "/v1/dashboards", "/v1/users"}


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


def test_events_reach_the_webhooks_of_their_tenant_alone() -> None:
    with (
        local_server(egress_allow="127.0.0.0/8", webhook_http=True) as server,
        receiving() as heard,
    ):
        database, clock = server.context.database, server.context.clock
        other = add_tenant(database, clock, "other").id
        here = Walk(server, server.tokens[Role.ADMIN])
        there = Walk(server, token_of(database, other, Role.ADMIN, "eve@example.com"))
        for walk, path in ((here, "/here"), (there, "/there")):
            body = {"url": f"{heard.url}{path}", "events": ["*"]}
            assert walk.request("POST", "/v1/webhooks", body).status_code == 201
        server.run_jobs()
        heard.heard.clear()
        here.request("POST", "/v1/services", {"name": "mine", "owner": "a", "tier": "t"})
        there.request("POST", "/v1/services", {"name": "theirs", "owner": "a", "tier": "t"})
        server.run_jobs()

        assert [b"service.create" in one.body for one in heard.of("/here")] == [True]
        assert [b"service.create" in one.body for one in heard.of("/there")] == [True]
        targets = {json.loads(one.body)["data"]["target"]["id"] for one in heard.heard}
        assert len(targets) == 2
        (webhook,) = here.request("GET", "/v1/webhooks").json()["data"]
        log = here.request("GET", f"/v1/webhooks/{webhook['id']}/deliveries").text
        theirs = there.request("GET", "/v1/services/theirs").json()["id"]
        assert theirs not in log


def test_groups_take_no_members_of_another_tenant(two: TwoTenants) -> None:
    foreign = two.here.made["/v1/users"]["id"]
    answers = []
    for key in (foreign, never(foreign)):
        body = {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": "g",
            "members": [{"value": key}],
        }
        made = two.there.request("POST", "/scim/v2/Groups", body)
        patch = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "add", "path": "members", "value": [{"value": key}]}],
        }
        group = two.there.request("POST", "/scim/v2/Groups", {**body, "members": []})
        changed = two.there.request("PATCH", f"/scim/v2/Groups/{group.json().get('id')}", patch)
        found = two.there.request("GET", f'/scim/v2/Users?filter=id eq "{key}"')
        answers.append(
            [
                (one.status_code, OWN.sub("OWN", without(one, key)[1]))
                for one in (made, changed, found)
            ]
        )
        for one in (made, group):
            if one.status_code == 201:
                two.there.request("DELETE", f"/scim/v2/Groups/{one.json()['id']}")

    assert answers[0] == answers[1]


def test_exports_hold_the_tenants_own(two: TwoTenants) -> None:
    server = two.server
    fresh = add_tenant(server.context.database, server.context.clock, new_id("name")).id
    token = token_of(server.context.database, fresh, Role.ADMIN, "zoe@example.com")
    walk = Walk(server, token)
    walk.request("POST", "/v1/services", {"name": "own", "owner": "a", "tier": "t"})
    now = datetime.now(UTC)
    body = {"from": f"{now:%Y}-01-01T00:00:00Z", "to": f"{now:%Y}-12-31T23:59:59Z"}
    export = walk.request("POST", "/v1/audit/export", {**body, "format": "json"})
    assert export.status_code == 201, export.text
    path = "/v1" + export.json()["download_url"].partition("/v1")[2]
    file = server.client.get(path)

    assert file.status_code == 200
    assert "service.create" in file.text
    assert not [key for key in two.here.everything() if ID.fullmatch(key) and key in file.text]
    far = re.sub(r"expires=\d+", "expires=999999999999999", path)
    assert server.client.get(far).status_code == 403


@pytest.mark.parametrize("role", list(Role))
def test_nobody_reads_the_servers_secrets(role: Role) -> None:
    key = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlYzE="
    with local_server(master_key=key, database_url="sqlite:////tmp/never-opened-s3cret") as server:
        for endpoint in ROUTES:
            if endpoint.methods[0] != "GET" or "{" in endpoint.path or "live" in endpoint.path:
                continue
            text = server.client.get(endpoint.path, headers=server.bearer(role)).text
            assert key not in text, endpoint.path
            assert "s3cret" not in text, endpoint.path
