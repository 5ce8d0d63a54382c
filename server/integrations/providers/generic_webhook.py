"""The generic webhook: any system that can send JSON reports deploys or incidents.

The configuration of a hook locates each field of the report in a body.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from novaql.server.clock import parse_time
from novaql.server.errors import invalid
from novaql.server.integrations.pointers import at_pointer
from novaql.server.integrations.provider import (
    Flow,
    HookCall,
    HookOutcome,
    Occurrence,
    Provider,
    Resource,
)

_DEPLOY = {"id": True, "service": False, "version": False, "environment": False}
_DEPLOY |= {"status": False, "at": False, "name": False, "url": False}
_INCIDENT = {"key": True, "title": True, "severity": False, "services": False}
_INCIDENT |= {"description": False, "action": False}
FIELDS: Mapping[str, Mapping[str, bool]] = {"deploy": _DEPLOY, "incident": _INCIDENT}
"""The fields of each report, and whether a configuration must have them."""
SEVERITIES = ("sev1", "sev2", "sev3", "sev4", "sev5")
_LONGEST = {"title": 200, "description": 10_000, "key": 200, "id": 255}
_MILLISECONDS_FROM = 100_000_000_000


class GenericWebhook(Provider):
    """Hooks with a mapping by JSON pointers."""

    name = "generic_webhook"
    title = "Generic webhook"
    verified = True
    flows = (Flow.SECRET,)
    hooks = True

    def test(self, link: Any) -> str:  # noqa: ARG002
        return "hooks receive requests; there is nothing to call"

    def check_hook(self, config: Mapping[str, Any]) -> None:
        report = config.get("report")
        if report is None:
            raise invalid("/report", "is needed: deploy or incident")
        known, fields = FIELDS[report], config["fields"]
        for name, field in fields.items():
            if name not in known:
                raise invalid(f"/fields/{name}", f"a {report} has {', '.join(known)}")
            if ("pointer" in field) == ("value" in field):
                raise invalid(f"/fields/{name}", "has either a pointer or a value")
        for name, needed in known.items():
            if needed and name not in fields:
                raise invalid("/fields", f"a {report} needs {name}")
        where = config.get("message_id")
        if where is not None and len(where) != 1:
            raise invalid("/message_id", "has either a header or a pointer")
        if config["services"]:
            raise invalid("/services", "use `map` of the field `service` instead")

    def read_hook(self, call: HookCall) -> HookOutcome:
        if call.config["report"] == "deploy":
            return HookOutcome(resources=[_deploy(call)])
        return HookOutcome(occurrences=[_incident(call)])


def _deploy(call: HookCall) -> Resource:
    at, pointer = _raw(call, "at")
    version = _text(call, "version") or ""
    service = _text(call, "service")
    return Resource(
        "deploy",
        _needed(call, "id"),
        _text(call, "name") or f"{service or 'deploy'} {version}".strip(),
        {
            "version": version,
            "environment": _text(call, "environment") or "",
            "status": _text(call, "status") or "succeeded",
        },
        service=service,
        url=_text(call, "url"),
        at=call.now if at is None else _time(at, pointer),
    )


def _incident(call: HookCall) -> Occurrence:
    severity = _text(call, "severity") or "sev3"
    if severity not in SEVERITIES:
        raise invalid(_raw(call, "severity")[1], f"{severity!r} is none of {', '.join(SEVERITIES)}")
    action = _text(call, "action") or "trigger"
    if action not in ("trigger", "resolve"):
        raise invalid(_raw(call, "action")[1], f"{action!r} is neither trigger nor resolve")
    return Occurrence(
        _needed(call, "title")[: _LONGEST["title"]],
        severity,
        _services(call),
        (_text(call, "description") or "")[: _LONGEST["description"]],
        _needed(call, "key"),
        action == "resolve",
    )


def _raw(call: HookCall, name: str) -> tuple[Any, str]:
    """The value of a field, and its pointer; None if it is missing."""
    field = call.config["fields"].get(name)
    if field is None:
        return None, ""
    if "value" in field:
        return field["value"], ""
    pointer = str(field["pointer"])
    value = at_pointer(call.body, pointer)
    if value is None:
        return field.get("default"), pointer
    if isinstance(value, str | int | float) and str(value) in field["map"]:
        return field["map"][str(value)], pointer
    return value, pointer


def _text(call: HookCall, name: str) -> str | None:
    value, pointer = _raw(call, name)
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise invalid(pointer, f"must be a text or a number: it is the field {name}")
    return str(value)


def _needed(call: HookCall, name: str) -> str:
    text = (_text(call, name) or "").strip()
    pointer = _raw(call, name)[1]
    if not text:
        raise invalid(pointer, f"is missing or empty: it is the field {name}")
    if name in ("key", "id") and len(text) > _LONGEST[name]:
        raise invalid(pointer, f"has more than {_LONGEST[name]} characters")
    return text


def _services(call: HookCall) -> list[str]:
    value, pointer = _raw(call, "services")
    if value is None:
        return []
    names = value if isinstance(value, list) else [value]
    if len(names) > 50 or not all(isinstance(name, str) and 0 < len(name) <= 63 for name in names):
        raise invalid(pointer, "must be a name of a service, or a list of at most 50 names")
    return list(dict.fromkeys(names))


def _time(value: Any, pointer: str) -> datetime:
    """An RFC 3339 time, or seconds or milliseconds since 1970."""
    try:
        if isinstance(value, str):
            return parse_time(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
            return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise invalid(pointer, "must be an RFC 3339 time, or seconds since 1970")


GENERIC_WEBHOOK = GenericWebhook()
