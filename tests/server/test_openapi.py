"""The OpenAPI document is valid, complete and true."""

from __future__ import annotations

import re

from openapi_spec_validator import OpenAPIV31SpecValidator

from server.routes import ROUTES
from tests.support.http_server import LocalServer


def test_the_document_is_valid_and_needs_no_token(server: LocalServer) -> None:
    answer = server.client.get("/v1/openapi.json")

    assert answer.status_code == 200
    assert answer.json()["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(answer.json()).iter_errors()) == []


def test_every_documented_route_is_there_with_its_errors(server: LocalServer) -> None:
    paths = server.client.get("/v1/openapi.json").json()["paths"]

    found = {(path, method.upper()) for path, item in paths.items() for method in item}
    wanted = {(e.path, method) for e in ROUTES if e.documented for method in e.methods}
    assert found == wanted
    for path, item in paths.items():
        for method, operation in item.items():
            codes = set(operation["responses"])
            assert "500" in codes
            assert operation["summary"]
            assert operation["description"]
            if operation["security"]:
                assert {"400", "401", "403"} <= codes, (method, path)
            if path.endswith(("/novaql", "/query", "/query_range")):
                assert "422" in codes


def test_operation_ids_are_unique_and_safe(server: LocalServer) -> None:
    paths = server.client.get("/v1/openapi.json").json()["paths"]
    ids = [operation["operationId"] for item in paths.values() for operation in item.values()]

    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9_]+", i) for i in ids)


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
