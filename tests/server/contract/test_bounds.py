"""What the document says of values is what the server checks: just inside, and just outside.

Every place of every JSON body, every parameter, every form. A value that the document does not
allow is refused, and the refusal names it. A value that it allows is not refused as malformed, but
for the few texts and relations that no JSON schema holds, which are listed here.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest

from novaql.server.routes import ROUTES, Row
from tests.support.contract.documented import document
from tests.support.contract.route_walk import Walk
from tests.support.contract.schema_values import Place, Values
from tests.support.servers.http_server import local_server

pytestmark = pytest.mark.slow
NOVAQL, DASHBOARDS, ROUTING = "/v1/novaql.*", "/v1/dashboards", "/v1/alert-routing.*"
BEYOND_A_SCHEMA = (
    (NOVAQL, "/(time|start|end)", "times in several spellings"),
    (NOVAQL, "/(step|timeout|lookback|rollup)", "durations in several spellings"),
    (NOVAQL, "/params(/.*)?", "a value for each name in the query, and for no other"),
    (DASHBOARDS, "/time_range/(from|to)", "times relative to now"),
    (
        DASHBOARDS,
        "/variables/0/(query|values(/0)?|all_value)",
        "what the type of the variable takes",
    ),
    (DASHBOARDS, "/panels/0/queries", "a panel of another type than text has a query"),
    (DASHBOARDS, "/panels/0/grid(/.)?", "ends before column 24, overlaps no other"),
    ("/v1/agents/{id}/audit/.*proof", "/(index|size|from|to)", "what the log has"),
    ("/v1/slo/{service}", "/indicator/.*", "selectors and expressions; good or bad, not both"),
    ("/v1/slo/{service}", "/window/zone", "names of time zones"),
    (
        "/v1/notification-channels",
        "/(webhook|slack|email)(/.*)?",
        "settings of the type, no others",
    ),
    ("/v1/webhooks.*", "/events(/0)?", "names of events"),
    (ROUTING, ".*matchers(/0)?", "matchers; the root has none"),
    (ROUTING, ".*/(mute|active)_time_intervals(/0)?", "the root has none"),
    (ROUTING, ".*/location", "names of time zones"),
    (ROUTING, ".*/(weekdays|days_of_month|months|years)(/0)?", "ranges of days, months and years"),
    (ROUTING, ".*/times(/0/(start|end)_time)?", "the start is before the end"),
    ("/v1/dashboards/{id}/.*", "/(start|end|step)", "times in several spellings"),
    ("/v1/silences", "/matchers/0/(op|value)", "one matcher does not match the empty text"),
    ("/v1/silences", "/ends_at", "there is an end or a duration"),
    ("/v1/escalation-policies", "/steps/0/acknowledgers", "only for the mode `multi_ack`"),
    ("/v1/oncall/schedules.*", "/timezone", "names of time zones"),
    (
        "/v1/runbooks.*",
        "/(steps|guardrails|approval_policy|parameters|incident_id|services).*",
        "steps fit their types, parameters their patterns, windows their zones",
    ),
    (
        "/v1/oncall/schedules.*",
        "/layers/0/(end|rotation/.*|restrictions/0/.*)",
        "the day of a hand-off and the length of a turn are those of the type; ends are later",
    ),
    (
        "/v1/synthetics",
        "/(interval|timeout|regions(/0)?|min_failing_regions|method|headers(/.*)?|body|tls|send"
        "|follow_redirects|expect|steps(/.*)?|assertions/0(/.*)?|secrets(/.*)?)",
        "what a type of checks has, what an operator takes, times of the settings",
    ),
    ("/v1/synthetics/{id}/uptime", "/(from|to)", "the end is after the start"),
    ("/v1/oncall/overrides", "/(start|end)", "the end is after the start"),
    ("/v1/oncall/schedules/(preview|{id}/shifts)", "/(from|to)", "`to` is later, not too far"),
    ("/v1/integrations/.*/connect", ".*", "settings of the provider"),
    (
        "/v1/integrations/.*/hooks",
        "/(report|fields|message_id|signature|services)(/.*)?",
        "what the provider and the report need",
    ),
    ("/v1/alert-rules/test", "/end", "is not before the start, nor too far from it"),
)
"""Path, pointer, and what decides there beside the schema."""


@functools.cache
def values() -> Values:
    """Values for the schemas of the OpenAPI document, which no worker derives while it collects."""
    return Values(document())


def operation_of(row: Row, method: str) -> dict[str, Any]:
    found: dict[str, Any] = values().document["paths"][row.path][method.lower()]
    return found


@pytest.fixture(scope="module")
def walk() -> Iterator[Walk]:
    with local_server() as server:
        made = Walk(server, server.bearer()["Authorization"].split()[1])
        made.make()
        yield made


def path_of(walk: Walk, row: Row, parameters: Mapping[str, Any] | None = None) -> str:
    """The path of an endpoint, with what was made in place of its braces, and a query."""
    path = walk.path_of(row) or re.sub(r"\{[^}]*\}", "none", row.path)
    if parameters is None:
        return path
    return f"{path}?{urlencode(parameters, doseq=True, quote_via=quote)}"


def refused_at(answer: httpx.Response) -> list[str]:
    """Pointers to what the server refuses as malformed."""
    if answer.status_code != 400:
        return []
    return [one["pointer"] for one in answer.json()["error"].get("details", ())]


def fault(row: Row, answer: httpx.Response, pointer: str, *, allowed: bool) -> str | None:
    """What is wrong with an answer to a value that the document allows there, or does not."""
    if answer.status_code >= 500 or answer.status_code in (401, 415):
        return f"is a {answer.status_code}"
    refused = refused_at(answer)
    if not allowed:
        named = any(one == pointer or one.startswith(f"{pointer}/") for one in refused)
        return None if named or answer.status_code == 422 else "is taken"
    if any(
        re.fullmatch(path, row.path) and re.fullmatch(place, pointer)
        for path, place, _ in BEYOND_A_SCHEMA
    ):
        return None
    around = any(one and f"{pointer}/".startswith(f"{one}/") for one in refused)
    return "is refused" if around else None


BODIES = [row for row in ROUTES if row.documented and row.body is not None]


@pytest.mark.parametrize("row", BODIES, ids=[f"{r.verbs[0]} {r.path}" for r in BODIES])
def test_bodies_are_checked_as_the_document_says(walk: Walk, row: Row) -> None:
    (method,) = row.verbs
    operation = operation_of(row, method)
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    headers = {**walk.server.bearer(), "Content-Type": "application/json"}
    wrong = []
    for place in values().places(schema, row.example):
        for allowed, value in values().tries(place):
            body = json.dumps(place.whole(value)).encode()
            answer = walk.server.client.request(
                method, path_of(walk, row), content=body, headers=headers
            )
            found = fault(row, answer, place.pointer, allowed=allowed)
            if found:
                wrong.append(f"{place.pointer}: {value!r:.60} {found}: {answer.text:.250}")
    assert not wrong, "\n".join(wrong)


def parameters_of(row: Row, method: str) -> list[dict[str, Any]]:
    operation = operation_of(row, method)
    return [dict(values().resolved(one)) for one in operation.get("parameters", ())]


def texts_of(parameter: Mapping[str, Any]) -> Iterator[tuple[bool, str]]:
    """Texts for a parameter, and whether the document allows them."""
    schema = parameter["schema"]
    several = schema.get("type") == "array"
    for place in values().places(schema["items"] if several else schema):
        for allowed, value in values().tries(place):
            if place.schema.get("type") == "string":
                if isinstance(value, str):
                    yield allowed, value
            elif isinstance(value, bool):
                yield allowed, str(value).lower()
            elif isinstance(value, str | int | float):
                yield allowed, str(value)


QUERIES = [row for row in ROUTES if row.documented and row.query is not None]


@pytest.mark.parametrize("row", QUERIES, ids=[f"{r.verbs[0]} {r.path}" for r in QUERIES])
def test_parameters_are_checked_as_the_document_says(walk: Walk, row: Row) -> None:
    (method,) = row.verbs
    given = [one for one in parameters_of(row, method) if one["in"] == "query"]
    others = {one["name"]: values().least(one["schema"]) for one in given if one["required"]}
    headers = walk.server.bearer() | ({"Content-Type": "text/plain"} if row.takes else {})
    wrong = []
    for parameter in given:
        name = parameter["name"]
        for allowed, text in texts_of(parameter):
            path = path_of(walk, row, {**others, name: text})
            answer = walk.server.client.request(method, path, headers=headers)
            found = fault(row, answer, f"/{name}", allowed=allowed)
            if found:
                wrong.append(f"{name}={text!r:.60} {found}: {answer.text:.250}")
    path = path_of(walk, row, {**others, "no_such": "1"})
    unknown = walk.server.client.request(method, path, headers=headers)
    assert row.query is not None
    tolerant = row.query.model_config.get("extra") == "ignore"  # the redirect of a provider
    if tolerant == ("/no_such" in refused_at(unknown)):
        wrong.append(f"an unknown one is taken: {unknown.text:.250}")
    assert not wrong, "\n".join(wrong)


WITHOUT = [row for row in BODIES if row.query is None]


@pytest.mark.parametrize("row", WITHOUT, ids=[f"{r.verbs[0]} {r.path}" for r in WITHOUT])
def test_parameters_are_refused_where_there_are_none(walk: Walk, row: Row) -> None:
    answer = walk.server.client.request(
        row.verbs[0],
        path_of(walk, row),
        params={"no_such": "1"},
        json=row.example or {},
        headers=walk.server.bearer(),
    )
    assert refused_at(answer) == ["/no_such"], answer.text


PROMETHEUS = [
    (row, method)
    for row in ROUTES
    if row.documented and row.parameters and row.path.startswith("/prometheus/")
    for method in row.verbs
]
USUAL = {
    "query": "1",
    "start": "0",
    "end": "60",
    "step": "60",
    "match[]": "up",
    "label": "job",
    "labels": "{}",
    "scrapePool": "none",
    "search[]": "a",
    "sort_by": "alpha",
}
"""Values of parameters beside the one that is tried."""


@pytest.mark.parametrize(
    ("row", "method"), PROMETHEUS, ids=[f"{method} {row.path}" for row, method in PROMETHEUS]
)
def test_the_base_of_prometheus_checks_what_the_document_says(
    walk: Walk, row: Row, method: str
) -> None:
    given = {one["name"]: one for one in parameters_of(row, method) if one["in"] == "query"}
    body = operation_of(row, method).get("requestBody")
    if body is not None:
        form = body["content"]["application/x-www-form-urlencoded"]["schema"]
        given = {name: {"schema": schema} for name, schema in form["properties"].items()}
    others = {name: text for name, text in USUAL.items() if name in given}
    headers = walk.server.bearer()
    if body is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    wrong = []
    for name, parameter in given.items():
        schema = parameter["schema"]
        if not {"pattern", "enum", "minLength"} & {**schema, **schema.get("items", {})}.keys():
            continue
        for allowed, text in texts_of(parameter):
            if name in row.required and allowed:
                continue  # a text of a language
            fields = {**others, name: text}
            path = path_of(walk, row, fields if body is None else None)
            content = None if body is None else urlencode(fields).encode()
            answer = walk.server.client.request(method, path, content=content, headers=headers)
            if answer.status_code == 500 or (answer.status_code != 400) != allowed:
                wrong.append(f"{name}={text!r:.60}: {answer.status_code} {answer.text:.200}")
    assert not wrong, "\n".join(wrong)


def test_headers_are_checked_as_the_document_says(walk: Walk) -> None:
    made = walk.made["/v1/webhooks"]["id"]
    wrong = []
    for method, path, name in (
        ("PATCH", f"/v1/webhooks/{made}", "If-Match"),
        ("POST", "/v1/dashboards", "If-Match"),
        ("POST", "/v1/users", "Idempotency-Key"),
    ):
        component = values().document["components"]["parameters"][name.replace("-", "")]
        place = Place(
            name, component["schema"], values().validator(component["schema"]).is_valid, id
        )
        texts = [(ok, text) for ok, text in values().tries(place) if isinstance(text, str)]
        for allowed, text in texts:
            if text != text.strip() or not text.isascii():
                continue  # blanks around a value are not part of it
            headers = {**walk.server.bearer(), name: text}
            answer = walk.server.client.request(method, path, json={}, headers=headers)
            if (name in answer.text) is allowed:
                wrong.append(f"{method} {path} {name}: {text!r} {answer.text:.200}")
    assert not wrong, "\n".join(wrong)
