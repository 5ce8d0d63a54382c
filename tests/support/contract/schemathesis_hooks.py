"""Hooks for the program of tests/server/contract/test_schemathesis.py, which must not revoke its
own token.

Schemathesis learns ids from answers, and deletes what it finds; a server lets an administrator
revoke even the token that is used for it. Requests that would end `NOVAQL_TEST_KEPT` (ids, with
spaces between them) go to an id that no resource has.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import requests
import schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode

from novaql.server.ids import new_id

KEPT = frozenset(os.environ["NOVAQL_TEST_KEPT"].split())


@schemathesis.serializer(
    *("application/x-ndjson", "application/jsonl", "application/json-lines"),
    *("application/x-protobuf", "application/vnd.google.protobuf"),
    *("application/vnd.apache.arrow.stream", "application/openmetrics-text"),
    *("application/vnd.influx.line-protocol", "text/x-influx-line-protocol"),
)
def as_it_is(context: Any, value: Any) -> bytes:  # noqa: ARG001 - the hook's shape
    """A strategy for bodies that are bytes."""
    return value if isinstance(value, bytes) else str(value).encode()


def _is_positive(case: Any, place: ParameterLocation = ParameterLocation.QUERY) -> bool:
    """Whether the schema allows the parameters at a location."""
    if case.meta is None:
        return True
    info = case.meta.components.get(place)
    return info is None or info.mode is GenerationMode.POSITIVE


FORM = "application/x-www-form-urlencoded"


def _as_a_form_says(body: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a form, read by their schema from the bytes that are sent for them.

    A form has texts alone: a number is sent as its digits, a list of one text as that text, and
    null or an empty list as nothing. Schemathesis generates `"AAA"` where the schema has a list of
    texts and expects a refusal, but the server receives the bytes of `["AAA"]`.
    """
    sent = requests.Request("POST", "http://localhost", data=dict(body)).prepare().body or ""
    assert isinstance(sent, str)
    read: dict[str, Any] = {}
    for name, texts in parse_qs(sent, keep_blank_values=True).items():
        is_list = properties.get(name, {}).get("type") == "array" or len(texts) > 1
        read[name] = texts if is_list else texts[0]
    return read


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:  # noqa: ARG001 - the hook's shape
    """Replace ids that must remain, request the first pages of lists unless the cursor should be
    rejected, and check a form by the bytes that are sent.

    The server signs valid cursors, which no schema can express. If two requests happen to share an
    Idempotency-Key, the second gets the answer to the first, perhaps of a resource deleted since.
    """
    if case.headers and _is_positive(case, ParameterLocation.HEADER):
        case.headers.pop("Idempotency-Key", None)
        (kwargs.get("headers") or {}).pop("Idempotency-Key", None)
    if "cursor" in (case.query or {}) and _is_positive(case):
        del case.query["cursor"]
        kwargs.pop("params", None)
    for name, value in (case.path_parameters or {}).items():
        if value in KEPT and case.method != "GET":
            case.path_parameters[name] = new_id(value.partition("_")[0])
    if case.media_type == FORM and isinstance(case.body, dict):
        schema = case.operation.get_body_for_media_type(FORM).definition["schema"]
        read = _as_a_form_says(case.body, schema["properties"])
        if read != case.body:  # replacing the body makes schemathesis check it again by the schema
            case.body = read
