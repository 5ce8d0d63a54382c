"""PagerDuty: users, schedules, escalation policies, services and open incidents.

With `import_schedules`, its schedules become on-call schedules of this server; otherwise each
resource lists what would be created. Escalation policies are resources only.

Documentation: developer.pagerduty.com, "REST API", "Pagination", "Rate limits". It has not been run
against the real service.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import Field

from novaql.server.clock import parse_time
from novaql.server.integrations.import_schedules import ScheduleImport
from novaql.server.integrations.import_services import CatalogSettings, ServiceImport
from novaql.server.integrations.listing import check_size
from novaql.server.integrations.pagerduty_schedules import planned
from novaql.server.integrations.provider import (
    Flow,
    Import,
    Link,
    Provider,
    ProviderFault,
    Reason,
    Resource,
    Secret,
    SyncPage,
    TargetUrl,
)

_PAGE, _SCHEDULES = 100, 20
_MOST = 10_000
"""The API lists no more rows of a list than these."""
_OPEN = "statuses[]=triggered&statuses[]=acknowledged"
_LISTS = ("users", "schedules", "escalation_policies", "services", "incidents")
"""In this order: schedules need the users."""
ServiceName = Annotated[str, Field(min_length=1, max_length=63)]


class PagerDutySettings(CatalogSettings):
    """A read-only REST API key of the account."""

    api_key: Secret = Field(description="a REST API key; read-only is enough")
    base_url: TargetUrl = Field(
        "https://api.pagerduty.com", description="https://api.eu.pagerduty.com in the EU region"
    )
    import_schedules: bool = Field(
        default=False,
        description="create on-call schedules whose members have the addresses of users here",
    )
    services: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=200)], ServiceName],
        Field(max_length=500),
    ] = Field(
        default_factory=dict,
        description="name of a PagerDuty service → service here; usual: the name in lower case, "
        "with `-` for other characters than letters and digits",
    )


class PagerDuty(Provider):
    """All lists, one after another."""

    name = "pagerduty"
    title = "PagerDuty"
    verified = False
    flows = (Flow.API_KEY,)
    kinds = ("user", "schedule", "escalation_policy", "service", "incident")
    complete = kinds
    Settings = PagerDutySettings

    def headers(self, settings: PagerDutySettings, access_token: str | None) -> dict[str, str]:  # noqa: ARG002
        return {
            "Accept": "application/vnd.pagerduty+json;version=2",
            "Authorization": f"Token token={settings.api_key}",
        }

    def test(self, link: Link) -> str:
        some, _ = _listed(link, "users", 0, 1)
        return "connected; it has users" if some else "connected; it lists no user"

    def sync(self, link: Link, cursor: str | None) -> SyncPage:
        """The cursor is the list, and the offset in it."""
        part, _, text = (cursor or f"{_LISTS[0]} 0").partition(" ")
        offset, size = int(text), _SCHEDULES if part == "schedules" else _PAGE
        if offset + size > _MOST:
            raise ProviderFault(Reason.PROVIDER_ERROR, f"there are more than {_MOST} {part}")
        found, more = _listed(link, part, offset, size)
        imports: list[Import] = []
        resources: list[Resource] = []
        for one in found:
            whole = one
            if part == "schedules":  # one after another: a whole schedule may be large
                whole = _schedule_in_full(link, str(one["id"]))
                plan = planned(whole, link.now)
                key, create = str(whole["id"]), link.settings.import_schedules
                imports.append(ScheduleImport(self.name, key, plan, create))
            resources.append(_READERS[part](whole, link.settings.services))
        if part == "services" and link.settings.import_services:
            imports = [
                ServiceImport(
                    one.external_id, one.service, str(one.data["description"]), link.settings
                )
                for one in resources
            ]
        if more:
            following: str | None = f"{part} {offset + size}"
        elif part == _LISTS[-1]:
            following = None
        else:
            following = f"{_LISTS[_LISTS.index(part) + 1]} 0"
        return SyncPage(resources, following, following is not None, imports)


def _listed(link: Link, part: str, offset: int, size: int) -> tuple[list[dict[str, Any]], bool]:
    """A page of a list, and whether there are more."""
    filters = f"&{_OPEN}" if part == "incidents" else ""
    answer = link.get(f"/{part}?limit={size}&offset={offset}{filters}").json
    if not isinstance(answer, dict) or not isinstance(answer.get(part), list):
        raise ProviderFault(Reason.PROVIDER_ERROR, f"the answer is not a list of {part}")
    check_size(answer[part], size)
    return answer[part], bool(answer.get("more"))


def _schedule_in_full(link: Link, key: str) -> dict[str, Any]:
    found: dict[str, Any] = link.get(f"/schedules/{quote(key, safe='')}").json["schedule"]
    return found


def _user(one: Mapping[str, Any], _: Mapping[str, str]) -> Resource:
    data = {"email": one.get("email"), "time_zone": one.get("time_zone"), "role": one.get("role")}
    return _resource("user", one, data)


def _schedule(one: Mapping[str, Any], _: Mapping[str, str]) -> Resource:
    layers = one.get("schedule_layers") or []
    data = {
        "time_zone": str(one.get("time_zone") or "")[:100],
        "description": str(one.get("description") or "")[:500],
        "layers": [
            {
                "name": str(layer.get("name") or "")[:100],
                "turn_s": int(layer.get("rotation_turn_length_seconds") or 0),
                "users": len(layer.get("users") or []),
            }
            for layer in layers[:20]
        ],
    }
    return _resource("schedule", one, data)


def _escalation_policy(one: Mapping[str, Any], _: Mapping[str, str]) -> Resource:
    steps = [
        {
            "delay_min": rule.get("escalation_delay_in_minutes"),
            "targets": [
                {"type": target.get("type"), "id": target["id"], "name": target.get("summary")}
                for target in rule.get("targets") or []
            ],
        }
        for rule in one.get("escalation_rules") or []
    ]
    return _resource("escalation_policy", one, {"repeat": one.get("num_loops"), "steps": steps})


def _service(one: Mapping[str, Any], services: Mapping[str, str]) -> Resource:
    policy = one.get("escalation_policy") or {}
    data = {
        "status": one.get("status"),
        "description": str(one.get("description") or "")[:500],
        "escalation_policy": policy.get("id"),
    }
    return _resource("service", one, data, service=_named(str(one["name"]), services))


def _incident(one: Mapping[str, Any], services: Mapping[str, str]) -> Resource:
    service = (one.get("service") or {}).get("summary")
    data = {
        "number": one.get("incident_number"),
        "status": one.get("status"),
        "urgency": one.get("urgency"),
    }
    found = None if service is None else _named(str(service), services)
    return _resource("incident", one, data, service=found)


def _resource(
    kind: str, one: Mapping[str, Any], data: Mapping[str, Any], *, service: str | None = None
) -> Resource:
    name = one.get("name") or one.get("title") or one.get("summary") or one["id"]
    at = parse_time(one["created_at"]) if kind == "incident" else None
    url = one.get("html_url")
    return Resource(
        kind,
        str(one["id"]),
        str(name),
        data,
        service=service,
        url=url if isinstance(url, str) else None,
        at=at,
    )


def _named(name: str, services: Mapping[str, str]) -> str | None:
    """The service here of a PagerDuty service."""
    return services.get(name) or re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63] or None


_READERS: dict[str, Callable[[Mapping[str, Any], Mapping[str, str]], Resource]] = {
    "users": _user,
    "schedules": _schedule,
    "escalation_policies": _escalation_policy,
    "services": _service,
    "incidents": _incident,
}

PAGERDUTY = PagerDuty()
