"""Checks of a runbook before the transaction that writes it: they parse queries, resolve names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from novaql.language import ValueType, parse_core, type_of
from novaql.ledger import canonical_json
from novaql.server.crypto.redaction import is_secret
from novaql.server.errors import ServerError, impossible, inside, invalid, query_at
from novaql.server.http.preparing import Preparation
from novaql.server.http.shapes import duration_text
from novaql.server.oncall.wall_clock import UnknownZone, zone_of
from novaql.server.runbooks.model import hosts_of, minutes_of, span_of
from novaql.server.runbooks.parameters import (
    check_pattern,
    check_value,
    inserted,
    references_in,
    samples_of,
)
from novaql.server.runbooks.schema import (
    LONGEST_STEP,
    LONGEST_WAIT,
    FreezeWindow,
    SaveRunbook,
)
from novaql.server.runbooks.script_step import check_values, granted
from novaql.server.tenants.context import ServerContext

LARGEST = 48 << 10
"""The size of a runbook as canonical JSON. Actions of agents contain it."""
_FIXED_HOST = re.compile(
    r"https?://[^/?#$]+([/?#].*)?|(?!https?:)[^:$]+:.*", re.IGNORECASE | re.DOTALL
)
"""Also any other scheme: the dialer rejects it."""
_SHORTEST, _SHORTEST_WAIT = timedelta(milliseconds=100), timedelta(milliseconds=1)
_SECRET_PLACES = ("http", "script")
_OWN_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection", "te"})
Json = dict[str, Any]


def check_runbook(preparation: Preparation) -> None:
    """Raise the first problem of a runbook: `InvalidRequest`, `Impossible`."""
    body: SaveRunbook = preparation.body
    parameters = [one.model_dump(mode="json") for one in body.parameters]
    steps = [step.model_dump(mode="json", by_alias=True) for step in body.steps]
    settings = preparation.context.settings
    if 0 < settings.max_runbook_steps < len(steps):
        raise invalid("/steps", f"may be {settings.max_runbook_steps} (max_runbook_steps)")
    _check_size({"parameters": parameters, "steps": steps})
    _check_parameters(parameters)
    _check_guardrails(body)
    for number, step in enumerate(steps):
        preparation.checkpoint()
        with inside(f"/steps/{number}"):
            _check_step(step, parameters, preparation.context)
    if len(hosts_of(steps)) > body.guardrails.max_targets:
        most = body.guardrails.max_targets
        message = f"the steps call {len(hosts_of(steps))} hosts, the guardrails allow {most}"
        raise impossible("/guardrails/max_targets", message, "blast_radius")


def _check_size(shown: Json) -> None:
    try:
        if len(canonical_json(shown)) > LARGEST:
            raise invalid("/steps", f"may have {LARGEST} bytes as canonical JSON")
    except ValueError as problem:
        raise invalid("/steps", str(problem)) from None


def _check_parameters(parameters: Sequence[Json]) -> None:
    seen: set[str] = set()
    for number, one in enumerate(parameters):
        pointer = f"/parameters/{number}"
        if one["name"] in seen:
            raise invalid(f"{pointer}/name", "two parameters have this name")
        seen.add(one["name"])
        if one["pattern"] is not None:
            check_pattern(one["pattern"], f"{pointer}/pattern")
        if one["default"] is not None:
            check_value(one, one["default"], f"{pointer}/default")


def _check_guardrails(body: SaveRunbook) -> None:
    limits, policy = body.guardrails, body.approval_policy
    for number, window in enumerate(limits.freeze_windows):
        _check_window(window, f"/guardrails/freeze_windows/{number}")
    _check_duration(limits.timeout, "/guardrails/timeout", _SHORTEST, LONGEST_WAIT)
    after = policy.expires_after
    _check_duration(after, "/approval_policy/expires_after", timedelta(seconds=1), LONGEST_WAIT)
    if policy.users and len(set(policy.users)) < policy.approvals:
        raise impossible(
            "/approval_policy/approvals",
            f"{policy.approvals} approvals need as many users",
            "too_few_approvers",
        )


def _check_window(window: FreezeWindow, pointer: str) -> None:
    once = (window.starts_at, window.ends_at)
    wall = (window.timezone, window.start_time, window.end_time)
    if all(once) and not any(wall) and not window.weekdays:
        assert window.starts_at is not None
        assert window.ends_at is not None
        if window.ends_at <= window.starts_at:
            raise invalid(f"{pointer}/ends_at", "must be after starts_at")
        return
    if not all(wall) or any(once):
        raise invalid(pointer, "has starts_at and ends_at, or timezone, start_time and end_time")
    assert window.timezone is not None
    assert window.start_time is not None
    if minutes_of(window.start_time) == 24 * 60:
        raise invalid(f"{pointer}/start_time", "must be before 24:00")
    try:
        zone_of(window.timezone)
    except UnknownZone as problem:
        raise invalid(f"{pointer}/timezone", str(problem)) from None


def _check_duration(
    value: timedelta | None, pointer: str, least: timedelta, most: timedelta
) -> None:
    if value is not None and not least <= value <= most:
        raise invalid(pointer, f"must be from {duration_text(least)} to {duration_text(most)}")


def _check_step(step: Json, parameters: Sequence[Json], context: ServerContext) -> None:
    slow = step["type"] in ("wait", "approval")
    _check_text_duration(step, "timeout", LONGEST_WAIT if slow else LONGEST_STEP)
    _check_text_duration(step, "retry_wait", timedelta(hours=1))
    if step["retries"] and step["type"] in ("http", "script") and not step["idempotent"]:
        raise invalid("/retries", "only an idempotent step can be retried")
    if step["retries"] and step["type"] in ("wait", "approval"):
        raise invalid("/retries", "such a step is not retried")
    _check_references(step, parameters)
    match step["type"]:
        case "http":
            _check_http(step, parameters, context)
        case "query":
            _check_query(step, parameters)
        case "wait":
            _check_text_duration(step, "duration", LONGEST_WAIT, least=_SHORTEST_WAIT)
        case "approval":
            if step["users"] and len(set(step["users"])) < step["approvals"]:
                message = f"{step['approvals']} approvals need as many users"
                raise impossible("/approvals", message, "too_few_approvers")
        case "script":
            _check_script(step, context)


def _check_references(step: Json, parameters: Sequence[Json]) -> None:
    known = {one["name"]: one for one in parameters}
    for pointer, name in references_in(step):
        if name not in known:
            raise impossible(pointer, f"there is no parameter {name!r}", "unknown_parameter")
        if known[name]["secret"] and step["type"] not in _SECRET_PLACES:
            message = f"{name} is secret: only HTTP and script steps use such parameters"
            raise impossible(pointer, message, "secret_parameter")


def _check_http(step: Json, parameters: Sequence[Json], context: ServerContext) -> None:
    if not _FIXED_HOST.fullmatch(step["url"]):
        raise invalid("/url", "the host is fixed: parameters are in path and query")
    if step["json"] is not None and step["body"] is not None:
        raise invalid("/body", "a request has json or body")
    secrets = {one["name"] for one in parameters if one["secret"]}
    used = {pointer for pointer, name in references_in(step) if name in secrets}
    for name, text in step["headers"].items():
        pointer = f"/headers/{name}"
        if name.lower() in _OWN_HEADERS:
            raise invalid(pointer, "the server sets this header")
        if any(ord(c) < 0x20 or ord(c) > 0x7E for c in text):
            raise invalid(pointer, "has characters that cannot be in a header")
        secret = is_secret(name.replace("-", "_")) or name.lower() == "cookie"
        if secret and pointer not in used:
            raise impossible(pointer, "needs a secret parameter", "secret_in_clear")
    sample = dict.fromkeys((one["name"] for one in parameters), "x")
    try:
        context.dialer.check_url(inserted({**step, "headers": {}}, sample)["url"])
    except ServerError as refused:
        raise impossible("/url", refused.message, refused.code or "invalid_url") from None


def _check_query(step: Json, parameters: Sequence[Json]) -> None:
    if (step["op"] is None) != (step["threshold"] is None):
        raise invalid("/threshold", "op and threshold belong together")
    with query_at("/expr"):
        kind = type_of(parse_core(inserted(step, samples_of(parameters))["expr"]))
    if kind not in (ValueType.VECTOR, ValueType.SCALAR):
        message = f"a condition is an instant vector or a number, this one is a {kind.value}"
        raise impossible("/expr", message, "not_a_vector")


def _check_script(step: Json, context: ServerContext) -> None:
    executor = granted(context, step["executor"])
    if not any(True for _ in references_in(step)):  # the values of a run are checked
        check_values(executor, step)


def _check_text_duration(
    step: Mapping[str, Any], name: str, most: timedelta, least: timedelta = _SHORTEST
) -> None:
    text = step[name]
    if text is not None:
        _check_duration(span_of(text), f"/{name}", least, most)
