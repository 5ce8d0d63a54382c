"""Checks that the OpenAPI document describes an answer."""

from __future__ import annotations

import functools
from typing import Any

import httpx
from jsonschema import Draft202012Validator

from novaql.server.openapi.document import openapi_document
from novaql.server.routes import ROUTES


def assert_documented(method: str, path: str, answer: httpx.Response) -> None:
    """Assert that the document has the status, the type and the body of the answer of a route.

    path  as in the route table, with names in braces; routes that are not in the document pass
    """
    operation = document()["paths"].get(path, {}).get(method.lower())
    if operation is None:
        return
    where = f"{method} {path} {answer.status_code}"
    told = operation["responses"].get(str(answer.status_code))
    assert told is not None, f"{where} is not in the document"
    for name in told.get("headers", ()):
        optional = name in ("Idempotent-Replayed", "RateLimit", "RateLimit-Policy")
        assert optional or name in answer.headers, f"{where} has no {name}"
    content = told.get("content", {})
    media = answer.headers.get("content-type", "").partition(";")[0]
    if not content:
        assert not answer.content, f"{where} has a body"
        return
    assert media in content, f"{where} is {media}"
    schema = content[media].get("schema")
    if schema is not None and media == "application/json":
        problems = list(_validator(schema["$ref"]).iter_errors(answer.json()))
        assert not problems, f"{where}: {problems[0].json_path}: {problems[0].message}"


@functools.cache
def document() -> dict[str, Any]:
    """The OpenAPI document, which takes a second to derive; read-only."""
    return openapi_document(ROUTES, version="1")


@functools.cache
def _validator(reference: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": reference, "components": document()["components"]})
