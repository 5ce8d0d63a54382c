"""Prometheus: its active targets, the jobs of these as services, and its rules.

The tests run against the real program. With `import_rules`, the rules become a rule file of this
server, which evaluates them with its own samples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import orjson
from pydantic import Field

from novaql.server.integrations.http_login import LoginSettings, login_headers
from novaql.server.integrations.import_rules import rule_import
from novaql.server.integrations.import_services import CatalogSettings, ServiceImport
from novaql.server.integrations.listing import page_behind
from novaql.server.integrations.provider import (
    Flow,
    Import,
    Link,
    Provider,
    ProviderFault,
    Reason,
    Resource,
    SyncPage,
)

FILE = "integrations/prometheus"
"""The rule file of the imported rules."""
_TARGETS, _RULES = "targets", "rules"


class PrometheusSettings(LoginSettings, CatalogSettings):
    """The address of Prometheus, and whether its rules and services become those of this server."""

    import_rules: bool = Field(
        default=False, description=f"evaluate its rules here, too, as the rule file `{FILE}`"
    )


class Prometheus(Provider):
    """Targets, services and rules."""

    name = "prometheus"
    title = "Prometheus"
    verified = True
    flows = (Flow.API_KEY,)
    kinds = ("service", "target", "rule")
    complete = ("service", "target", "rule")
    Settings = PrometheusSettings

    def headers(self, settings: PrometheusSettings, access_token: str | None) -> dict[str, str]:  # noqa: ARG002
        return login_headers(settings)

    def test(self, link: Link) -> str:
        version = _data(link, "/api/v1/status/buildinfo")["version"]
        return f"Prometheus {version}"

    def sync(self, link: Link, cursor: str | None) -> SyncPage:
        """The cursor is the list, and the last external id: first targets, then rules."""
        part, _, last = (cursor or f"{_TARGETS} ").partition(" ")
        groups: list[dict[str, Any]] = []
        imports: list[Import] = []
        if part == _TARGETS:
            active = _data(link, "/api/v1/targets", {"state": "active"})["activeTargets"]
            found = [*_targets(active), *_services(active)]
        else:
            groups = _data(link, "/api/v1/rules")["groups"]
            found = list(_rules(groups))
            if link.settings.import_rules:
                found.append(Resource("rule", FILE, FILE, {"groups": len(groups)}))
        page, following = page_behind(found, last)
        if link.settings.import_services:
            services = [one for one in page if one.kind == "service"]
            imports += [_service_import(one, link.settings) for one in services]
        if any(one.external_id == FILE for one in page):
            imports.append(rule_import(FILE, groups))
        if following is not None:
            return SyncPage(page, f"{part} {following}", more=True, imports=imports)
        more = part == _TARGETS
        return SyncPage(page, f"{_RULES} " if more else None, more, imports)


def _data(link: Link, path: str, params: dict[str, str | int] | None = None) -> Any:
    answer = link.get(path, params).json
    if not isinstance(answer, dict) or answer.get("status") != "success":
        raise ProviderFault(Reason.PROVIDER_ERROR, "the answer is not one of Prometheus's API")
    return answer["data"]


def _targets(active: list[dict[str, Any]]) -> Iterator[Resource]:
    for one in active:
        labels = {str(name): str(value) for name, value in one["labels"].items()}
        pool, instance = str(one.get("scrapePool", "")), labels.get("instance", "")
        yield Resource(
            "target",
            _key(pool, instance, identity=[pool, labels]),
            f"{labels.get('job', pool)} {instance}".strip(),
            {
                "labels": labels,
                "scrape_pool": pool,
                "scrape_interval": one.get("scrapeInterval"),
                "health": one.get("health"),
                "last_error": _error(one.get("lastError")),
            },
            service=labels.get("job") or None,
            url=_plain(str(one["scrapeUrl"])),
        )


def _services(active: list[dict[str, Any]]) -> Iterator[Resource]:
    jobs: dict[str, list[str]] = {}
    for one in active:
        jobs.setdefault(str(one["labels"].get("job", "")), []).append(str(one.get("health")))
    for job, healths in jobs.items():
        if job:
            data = {"targets": len(healths), "up": healths.count("up")}
            yield Resource("service", job, job, data, service=job)


def _service_import(one: Resource, settings: PrometheusSettings) -> ServiceImport:
    return ServiceImport(one.external_id, one.name, "", settings)


def _rules(groups: list[dict[str, Any]]) -> Iterator[Resource]:
    seen: Counter[bytes] = Counter()
    for group in groups:
        for one in group["rules"]:
            labels = {str(name): str(value) for name, value in one.get("labels", {}).items()}
            name, kind = str(one["name"]), str(one["type"])
            identity = [group["file"], group["name"], kind, name, labels]
            alike = orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)
            seen[alike] += 1
            data = {
                "type": kind,
                "group": group["name"],
                "file": group["file"],
                "interval_s": group.get("interval"),
                "expr": one["query"],
                "labels": labels,
                "health": one.get("health"),
            }
            if kind == "alerting":
                data |= {
                    "for_s": one.get("duration", 0),
                    "keep_firing_for_s": one.get("keepFiringFor", 0),
                    "annotations": one.get("annotations", {}),
                }
            key = _key(str(group["name"]), name, identity=[*identity, seen[alike]])
            yield Resource("rule", key, name, data, service=labels.get("service") or None)


def _key(*shown: str, identity: Any) -> str:
    """An external id: a readable beginning, and a digest of everything that identifies it."""
    text = orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)
    begin = "/".join(part[:80] for part in shown if part)
    return f"{begin}/{sha256(text).hexdigest()[:16]}"


def _plain(url: str) -> str:
    """A URL without its query, which can contain secrets."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _error(text: Any) -> str:
    """The error of a scrape without the URL that it begins with."""
    return str(text or "").rpartition('": ')[2][:300]


PROMETHEUS = Prometheus()
