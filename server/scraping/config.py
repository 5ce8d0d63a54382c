"""Read scrape jobs from Prometheus's configuration file.

The file passes the checks of `novaql check config` first. The reader rejects features of scraping
that only Prometheus supports, by name, because it must not omit targets silently.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from novaql.inputs import Action, ExposedOptions, RelabelRule
from novaql.rules import (
    FileProblems,
    Names,
    Place,
    Problem,
    YamlProblem,
    file_duration_ms,
    read_yaml,
)
from novaql.rules.config import OPAQUE_DISCOVERIES, read_config_file
from novaql.server.scraping.model import (
    Client,
    FileDiscovery,
    HttpDiscovery,
    Limits,
    ScrapeJob,
    TargetGroup,
)

_SIZES = {"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([KMGTPE]?)i?B?")
_UNKNOWN_DISCOVERIES = ("dns", *OPAQUE_DISCOVERIES)
_UNKNOWN_CLIENT = ("oauth2", "sigv4", "proxy_url", "proxy_from_environment")
PROTOCOLS = (
    "OpenMetricsText1.0.0",
    "OpenMetricsText0.0.1",
    "PrometheusText1.0.0",
    "PrometheusText0.0.4",
)
NATIVE_PROTOCOLS = ("PrometheusProto", *PROTOCOLS)
Fields = Mapping[str, Any]


def read_scrape_jobs(path: str | Path) -> list[ScrapeJob]:
    """Read the jobs of a configuration file, and of the files that `scrape_config_files` names.

    Raises `OSError`, and `FileProblems` for invalid and unsupported settings.
    """
    file = str(path)
    read_config_file(file, names=Names.UTF8)
    tree = _load(file)
    shared = tree.get("global") or {}
    jobs = [_job(item, shared, file) for item in tree.get("scrape_configs") or []]
    folder = os.path.dirname(file)
    for pattern in tree.get("scrape_config_files") or []:
        for other in sorted(glob.glob(os.path.join(folder, pattern))):
            jobs += [_job(item, shared, other) for item in _load(other).get("scrape_configs") or []]
    names = [job.name for job in jobs]
    for name in names:
        if names.count(name) > 1:
            raise _refusal(file, f"found multiple scrape configs with job name {name!r}")
    return jobs


def _load(file: str) -> dict[str, Any]:
    with open(file, encoding="utf-8") as text:
        try:
            found = read_yaml(text.read())
        except YamlProblem as problem:
            place = Place(problem.line, problem.column)
            raise FileProblems([Problem(file, place, problem.reason)]) from None
    return found or {}


def _refusal(file: str, sentence: str) -> FileProblems:
    return FileProblems([Problem(file, Place(1, 1), sentence)])


def _job(item: Fields, shared: Fields, file: str) -> ScrapeJob:
    name = str(item["job_name"])
    for kind in _UNKNOWN_DISCOVERIES:
        if item.get(f"{kind}_sd_configs"):
            raise _refusal(
                file,
                f"job {name}: {kind}_sd_configs: this server finds targets by static_configs, "
                "file_sd_configs and http_sd_configs; other discoveries can write such files",
            )
    interval = _duration(item.get("scrape_interval") or shared.get("scrape_interval") or "1m")
    given = item.get("scrape_timeout") or shared.get("scrape_timeout")
    native = bool(_own_or(item, shared, "scrape_native_histograms", False))
    protocols = tuple(item.get("scrape_protocols") or shared.get("scrape_protocols") or ())
    convert = bool(_own_or(item, shared, "convert_classic_histograms_to_nhcb", False))
    classic = bool(_own_or(item, shared, "always_scrape_classic_histograms", False))
    native = native or "PrometheusProto" in protocols
    folder = os.path.dirname(file)
    return ScrapeJob(
        name=name,
        interval_s=interval,
        timeout_s=_duration(given) if given else min(10.0, interval),
        path=str(item.get("metrics_path") or "/metrics"),
        scheme=str(item.get("scheme") or "http"),
        params=tuple((k, tuple(map(str, v))) for k, v in (item.get("params") or {}).items()),
        honor_labels=bool(item.get("honor_labels", False)),
        honor_timestamps=bool(item.get("honor_timestamps", True)),
        track_timestamps_staleness=bool(item.get("track_timestamps_staleness", False)),
        compression=bool(item.get("enable_compression", True)),
        extra_metrics=bool(_own_or(item, shared, "extra_scrape_metrics", False)),
        protocols=protocols or (NATIVE_PROTOCOLS if native else PROTOCOLS),
        fallback_protocol=str(item.get("fallback_scrape_protocol") or ""),
        limits=_limits(item, shared),
        client=_client(item, f"job {name}", file),
        exposed=ExposedOptions(
            native_histograms=native,
            always_classic=classic or bool(item.get("scrape_classic_histograms", False)),
            convert_classic=convert,
        ),
        relabel=_rules(item.get("relabel_configs")),
        metric_relabel=_rules(item.get("metric_relabel_configs")),
        static=tuple(
            TargetGroup(str(number), tuple(group.get("targets") or ()), _texts(group.get("labels")))
            for number, group in enumerate(item.get("static_configs") or [])
        ),
        files=tuple(
            FileDiscovery(
                tuple(os.path.join(folder, pattern) for pattern in one["files"]),
                _duration(one.get("refresh_interval") or "5m"),
            )
            for one in item.get("file_sd_configs") or []
        ),
        http=tuple(
            HttpDiscovery(
                str(one["url"]),
                _duration(one.get("refresh_interval") or "1m"),
                _client(one, f"job {name}: http_sd_configs", file),
            )
            for one in item.get("http_sd_configs") or []
        ),
        text=yaml.safe_dump(_without_secrets(item), sort_keys=False),
    )


def _own_or(item: Fields, shared: Fields, name: str, default: Any) -> Any:
    own = item.get(name)
    return shared.get(name, default) if own is None else own


def _limits(item: Fields, shared: Fields) -> Limits:
    def number(name: str) -> int:
        return int(_own_or(item, shared, name, 0) or 0)

    return Limits(
        samples=number("sample_limit"),
        targets=number("target_limit"),
        labels=number("label_limit"),
        name_bytes=number("label_name_length_limit"),
        value_bytes=number("label_value_length_limit"),
        body_bytes=_size(str(_own_or(item, shared, "body_size_limit", "0") or "0")),
    )


def _client(item: Fields, what: str, file: str) -> Client:
    for name in _UNKNOWN_CLIENT:
        if item.get(name):
            raise _refusal(file, f"{what}: {name} is nothing that this server can do")
    basic, given = item.get("basic_auth"), item.get("authorization")
    if item.get("bearer_token") or item.get("bearer_token_file"):
        given = {
            "credentials": item.get("bearer_token", ""),
            "credentials_file": item.get("bearer_token_file", ""),
        }
    tls = item.get("tls_config") or {}
    folder = os.path.dirname(file)

    def placed(text: Any) -> str:
        return os.path.join(folder, str(text)) if text else ""

    return Client(
        basic=None
        if basic is None
        else (
            str(basic.get("username", "")),
            str(basic.get("password", "")),
            placed(basic.get("password_file")),
        ),
        authorization=None
        if given is None
        else (
            str(given.get("type") or "Bearer"),
            str(given.get("credentials") or ""),
            placed(given.get("credentials_file")),
        ),
        ca_file=placed(tls.get("ca_file")),
        cert_file=placed(tls.get("cert_file")),
        key_file=placed(tls.get("key_file")),
        server_name=str(tls.get("server_name") or ""),
        insecure_skip_verify=bool(tls.get("insecure_skip_verify", False)),
        follow_redirects=bool(item.get("follow_redirects", True)),
        headers=tuple(
            (header, str(value))
            for header, parts in (item.get("http_headers") or {}).items()
            for value in (*(parts.get("values") or ()), *(parts.get("secrets") or ()))
        ),
    )


def _rules(items: Any) -> tuple[RelabelRule, ...]:
    return tuple(rule_of(item) for item in items or [])


def rule_of(item: Fields) -> RelabelRule:
    """Create a rule from its fields in YAML. Missing fields have Prometheus's defaults."""
    usual = RelabelRule()
    return RelabelRule(
        action=Action(str(item.get("action") or "replace").lower()),
        source_labels=tuple(item.get("source_labels") or ()),
        separator=str(item.get("separator", usual.separator)),
        regex=str(item.get("regex", usual.regex)),
        target_label=str(item.get("target_label") or ""),
        replacement=str(item.get("replacement", usual.replacement)),
        modulus=int(item.get("modulus") or 0),
    )


def _texts(labels: Any) -> dict[str, str]:
    return {str(name): str(value) for name, value in (labels or {}).items()}


def _duration(text: Any) -> float:
    return file_duration_ms(str(text)) / 1000


def _size(text: str) -> int:
    return int(sum(float(n) * _SIZES.get(unit, 1 << 60) for n, unit in _SIZE.findall(text)))


_SECRET = re.compile(r"password$|credentials$|secret|bearer_token$|^key$")


def _without_secrets(item: Any) -> Any:
    if isinstance(item, dict):
        return {
            name: "<secret>" if _SECRET.search(str(name)) else _without_secrets(value)
            for name, value in item.items()
        }
    return [_without_secrets(part) for part in item] if isinstance(item, list) else item
