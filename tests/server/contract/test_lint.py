"""The rules of spectral's "recommended" set, over our OpenAPI document."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from jsonschema.validators import validator_for

from novaql.server.bases import is_client
from tests.support.contract.documented import document


def operations() -> Iterator[tuple[str, str, Any]]:
    """Method and path, the path alone, and the operation."""
    for path, item in document()["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", path, operation


def everywhere(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    yield pointer, value
    if isinstance(value, dict):
        for name, inside in value.items():
            yield from everywhere(inside, f"{pointer}/{name}")
    elif isinstance(value, list):
        for number, inside in enumerate(value):
            yield from everywhere(inside, f"{pointer}/{number}")


def resolved(value: Any) -> Any:
    if isinstance(value, dict) and "$ref" in value:
        found: Any = document()
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return resolved(found)
    return value


def test_operation_ids_are_unique_and_fit_into_urls() -> None:
    ids = Counter(operation["operationId"] for _, _, operation in operations())

    assert [name for name, count in ids.items() if count > 1] == []
    assert [name for name in ids if not re.fullmatch(r"[A-Za-z0-9_.~-]+", name)] == []


def test_operations_are_described_and_have_declared_tags() -> None:
    declared = {tag["name"] for tag in document()["tags"]}
    for name, _, operation in operations():
        assert operation["description"].strip(), name
        assert operation["summary"].strip(), name
        assert operation["tags"], name
        assert set(operation["tags"]) <= declared, name
    assert all(
        tag["description"] and tag["description"] != tag["name"] for tag in document()["tags"]
    )


def test_every_operation_can_succeed() -> None:
    for name, _, operation in operations():
        assert any(code.startswith(("2", "3")) for code in operation["responses"]), name


def test_paths_are_plain() -> None:
    for path in document()["paths"]:
        assert path.startswith("/")
        assert path == "/" or not path.endswith("/"), path
        assert "?" not in path
        assert "//" not in path
    shapes = Counter(re.sub(r"\{[^}]+\}", "{}", path) for path in document()["paths"])
    assert [shape for shape, count in shapes.items() if count > 1] == []


def test_parameters_of_paths_are_declared_and_required() -> None:
    for name, path, operation in operations():
        parameters = [resolved(p) for p in operation.get("parameters", [])]
        declared = {p["name"] for p in parameters if p["in"] == "path"}
        assert declared == set(re.findall(r"\{([^}]+)\}", path)), name
        assert all(p["required"] for p in parameters if p["in"] == "path"), name
        assert all(p.get("description") or p["in"] == "path" for p in parameters), name
        places = Counter((p["in"], p["name"]) for p in parameters)
        assert set(places.values()) <= {1}, name


def test_security_schemes_and_servers_are_there() -> None:
    schemes = document()["components"]["securitySchemes"]
    for name, _, operation in operations():
        for requirement in operation["security"]:
            assert requirement.keys() <= schemes.keys(), name
    assert document()["servers"]
    assert not any(
        server["url"].endswith("/") and server["url"] != "/" for server in document()["servers"]
    )
    info = document()["info"]
    assert info["title"]
    assert info["description"]
    assert info["license"]["name"]
    assert info["contact"]


def test_no_component_is_unused_and_no_reference_leads_nowhere() -> None:
    used = {v["$ref"] for _, v in everywhere(document()) if isinstance(v, dict) and "$ref" in v}
    for reference in used:
        assert resolved({"$ref": reference}) is not None
    there = {
        f"#/components/{kind}/{name}"
        for kind, named in document()["components"].items()
        if kind != "securitySchemes"
        for name in named
    }
    assert there == used


def test_enumerations_have_their_type() -> None:
    kinds: dict[str, type | tuple[type, ...]] = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
    }
    for pointer, value in everywhere(document()):
        if isinstance(value, dict) and isinstance(value.get("enum"), list):
            assert value.get("type") in kinds, pointer
            assert all(isinstance(choice, kinds[value["type"]]) for choice in value["enum"])
            assert len(set(map(str, value["enum"]))) == len(value["enum"]), pointer


def test_examples_are_valid() -> None:
    wrong, checked = [], 0
    for name, _, operation in operations():
        for content in operation.get("requestBody", {}).get("content", {}).values():
            if "example" not in content:
                continue
            whole = {**content["schema"], "components": document()["components"]}
            whole["$schema"] = "https://json-schema.org/draft/2020-12/schema"
            checker = validator_for(whole)(whole)
            wrong += [f"{name}: {e.message}" for e in checker.iter_errors(content["example"])]
            checked += 1
    assert checked
    assert not wrong, "\n".join(wrong)


def test_refusals_have_the_envelope_and_answers_the_headers() -> None:
    ours = [
        o
        for o in operations()
        if o[1].startswith("/v1/") and not o[1].endswith("openapi.json") and not is_client(o[1])
    ]
    for name, _, operation in ours:
        codes = operation["responses"]
        wanted = {"400", "500"} | ({"401", "403", "429"} if operation["security"] else set())
        assert wanted <= codes.keys(), name
        for code, answer in codes.items():
            shown = resolved(answer)
            headers = shown.get("headers", {})
            assert "X-Request-Id" in headers, (name, code)
            if code[0] in "45":
                content = shown["content"]["application/json"]["schema"]
                assert content["$ref"] == "#/components/schemas/ErrorEnvelope", (name, code)
            if code == "429":
                assert "Retry-After" in headers, name
            if code[0] == "2" and operation["security"]:
                assert {"RateLimit", "RateLimit-Policy"} <= headers.keys(), name
        if "{" in name and operation["security"]:
            assert "404" in codes, name
        if name.startswith("POST") and operation["security"] and "requestBody" in operation:
            assert {"409", "422", "415"} & codes.keys(), name
