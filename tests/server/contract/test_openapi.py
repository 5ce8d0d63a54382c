"""The OpenAPI document is valid, complete and true."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi._compat.v2 import get_cached_model_fields
from openapi_spec_validator import OpenAPIV31SpecValidator

from novaql.server import control_parts
from novaql.server.routes import ROUTES
from tests.support.servers.http_server import LocalServer


@pytest.mark.slow
def test_the_document_is_valid_and_needs_no_token(server: LocalServer) -> None:
    answer = server.client.get("/v1/openapi.json")

    assert answer.status_code == 200
    assert answer.json()["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(answer.json()).iter_errors()) == []


@pytest.mark.slow
def test_first_requests_at_the_same_time_receive_the_same_document(server: LocalServer) -> None:
    control_parts._document.cache_clear()
    get_cached_model_fields.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: server.client.get("/v1/openapi.json"), range(4)))

    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.slow
def test_every_documented_route_is_there_with_its_errors(server: LocalServer) -> None:
    paths = server.client.get("/v1/openapi.json").json()["paths"]

    found = {(path, method.upper()) for path, item in paths.items() for method in item}
    wanted = {
        (e.path.replace(":path}", "}"), method)
        for e in ROUTES
        if e.documented
        for method in e.verbs
    }
    assert found == wanted
    for path, item in paths.items():
        for method, operation in item.items():
            codes = set(operation["responses"])
            assert "500" in codes
            assert operation["summary"]
            assert operation["description"]
            if operation["security"]:
                assert {"400", "401", "403"} <= codes, (method, path)
            if path.endswith(("/novaql", "/query", "/query_range")) and path != "/query":
                assert "422" in codes


def test_what_the_server_needs_is_required(server: LocalServer) -> None:
    """A request with all parameters but one that is required is a 400; so is an empty one."""
    paths = server.client.get("/v1/openapi.json").json()["paths"]
    seen = 0
    for path, item in paths.items():
        if not path.startswith("/prometheus/"):
            continue
        for method, operation in item.items():
            content = operation.get("requestBody", {}).get("content", {})
            schema = content.get("application/x-www-form-urlencoded", {}).get("schema", {})
            told = schema.get("required", []) + [
                p["name"] for p in operation.get("parameters", ()) if p.get("required")
            ]
            names = [name for name in told if name != "name"]
            if "live" in path or "/write" in path or "/read" in path or "otlp" in path:
                continue
            url = path.replace("{name}", "job")
            bare = server.client.request(method, url, headers=server.bearer())
            assert (bare.status_code == 400) == bool(names), (method, path, names, bare.text)
            values = {"query": "1", "start": "0", "end": "60", "step": "60", "match[]": "up"}
            full = {name: values.get(name, "x") for name in names}
            for name in names:
                some = {key: value for key, value in full.items() if key != name}
                form, query = (None, some) if method == "get" else (some, None)
                answer = server.client.request(
                    method, url, headers=server.bearer(), data=form, params=query
                )
                assert answer.status_code == 400, (method, path, name)
                seen += 1
    assert seen > 15


def test_entity_tags_are_in_the_document(server: LocalServer) -> None:
    paths = server.client.get("/v1/openapi.json").json()["paths"]
    one = paths["/v1/webhooks/{id}"]["get"]
    assert "ETag" in one["responses"]["200"]["headers"]
    assert "304" in one["responses"]
    assert {"$ref": "#/components/parameters/IfNoneMatch"} in one["parameters"]


def test_operation_ids_are_unique_and_safe(server: LocalServer) -> None:
    paths = server.client.get("/v1/openapi.json").json()["paths"]
    ids = [operation["operationId"] for item in paths.values() for operation in item.values()]

    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", i) for i in ids)


def test_one_security_scheme_and_no_automatic_validation_errors(server: LocalServer) -> None:
    document = server.client.get("/v1/openapi.json").json()

    assert list(document["components"]["securitySchemes"]) == ["token"]
    assert "HTTPValidationError" not in document["components"]["schemas"]
    used = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert used == set(document["components"]["schemas"])


def test_posts_that_take_a_key_declare_it(server: LocalServer) -> None:
    """So that generated clients have a parameter for it, and know an answer that was replayed."""
    paths = server.client.get("/v1/openapi.json").json()["paths"]
    invite, query = paths["/v1/users"]["post"], paths["/v1/novaql"]["post"]
    key = {"$ref": "#/components/parameters/IdempotencyKey"}
    assert key in invite["parameters"]
    assert "Idempotent-Replayed" in invite["responses"]["201"]["headers"]
    assert key not in query.get("parameters", [])
    answer = server.client.post(
        "/v1/users", json={}, headers=server.bearer() | {"Idempotency-Key": ""}
    )
    assert answer.status_code == 400


SCHEMAS_OF_OTHERS = {
    "/prometheus/api/v1/otlp/v1/metrics",  # OTLP
    "/v1/metrics",
    "/query",  # InfluxDB
    "/v1/openapi.json",  # OpenAPI
}


def test_each_json_answer_has_a_schema(server: LocalServer) -> None:
    """A generated client returns nothing for an answer without one."""
    answers = [
        (path, answer["content"]["application/json"])
        for path, item in server.document()["paths"].items()
        for operation in item.values()
        for status, answer in operation["responses"].items()
        if status.startswith("2") and "application/json" in answer.get("content", {})
    ]
    assert len(answers) > 150
    assert {path for path, content in answers if not content.get("schema")} == SCHEMAS_OF_OTHERS
