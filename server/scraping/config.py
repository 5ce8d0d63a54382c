"""Read scrape jobs from Prometheus's configuration file.

The file must pass the checks of `novaql check config` first. The reader then rejects each feature
of scraping that only Prometheus supports: to ignore it could omit targets silently.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from novaql import ArgumentError
from novaql.rules import (
    FileProblems,
    Names,
    Place,
    Problem,
    YamlProblem,
    read_yaml,
)
from novaql.rules.config import OPAQUE_DISCOVERIES, read_config_file
from novaql.server.scraping.model import ScrapeJob

_UNSUPPORTED_DISCOVERIES = ("dns", *OPAQUE_DISCOVERIES)
_UNSUPPORTED_OF_CLIENTS = ("oauth2", "sigv4", "proxy_url", "proxy_from_environment")
_UNSUPPORTED_PARTS = {
    "tls_config": (
        *("ca", "ca_ref", "cert", "cert_ref", "key", "key_ref", "min_version", "max_version"),
    ),
    "basic_auth": ("username_file", "username_ref", "password_ref"),
    "authorization": ("credentials_ref",),
}
_UNSUPPORTED_LIMITS = ("native_histogram_bucket_limit", "native_histogram_min_bucket_factor")
_EMPTY_IS_DEFAULT = (
    *("metrics_path", "scheme", "type", "action", "scrape_interval", "scrape_timeout"),
)
"""Fields in which Prometheus reads an empty text as the default."""
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
    names = [job.job_name for job in jobs]
    for name in names:
        if names.count(name) > 1:
            raise _refusal(file, f"found multiple scrape configs with job name {name!r}")
    return jobs


def scrape_jobs_of(config: Path | None) -> list[ScrapeJob]:
    """Read the jobs of a configuration file; None: no jobs. Raises `ArgumentError`."""
    if config is None:
        return []
    try:
        return read_scrape_jobs(config)
    except FileProblems as problem:
        raise ArgumentError("scrape-config", str(problem)) from problem
    except OSError as problem:
        raise ArgumentError("scrape-config", f"{config}: {problem.strerror}") from problem


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
    what = f"job {item['job_name']}"
    for kind in _UNSUPPORTED_DISCOVERIES:
        if item.get(f"{kind}_sd_configs"):
            raise _refusal(
                file,
                f"{what}: {kind}_sd_configs: this server finds targets by static_configs, "
                "file_sd_configs and http_sd_configs; other discoveries can write such files",
            )
    _refuse(item, _UNSUPPORTED_LIMITS, what, file)
    _check_client(item, what, file)
    for one in item.get("http_sd_configs") or []:
        _check_client(one, f"{what}: http_sd_configs", file)
    text = yaml.safe_dump(_without_secrets(item), sort_keys=False)
    given = {**_present(shared), **_present(item), "text": text}
    try:
        return ScrapeJob.model_validate(given, context=os.path.dirname(file))
    except ValidationError as problem:
        first = problem.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise _refusal(file, f"{what}: {place}: {first['msg']}") from None


def _check_client(item: Fields, what: str, file: str) -> None:
    _refuse(item, _UNSUPPORTED_OF_CLIENTS, what, file)
    for name, parts in _UNSUPPORTED_PARTS.items():
        _refuse(item.get(name) or {}, parts, f"{what}: {name}", file)
    headers = item.get("http_headers")
    for name, header in headers.items() if isinstance(headers, dict) else ():
        if isinstance(header, dict):
            _refuse(header, ("files",), f"{what}: http_headers: {name}", file)


def _refuse(item: Fields, names: Iterable[str], what: str, file: str) -> None:
    for name in names:
        if item.get(name):
            raise _refusal(file, f"{what}: this server does not support {name}")


def _present(item: Any) -> Any:
    """The item without the fields that have no value, to which defaults apply."""
    if isinstance(item, dict):
        return {
            name: _present(value)
            for name, value in item.items()
            if value is not None and (value != "" or name not in _EMPTY_IS_DEFAULT)
        }
    return [_present(part) for part in item] if isinstance(item, list) else item


_SECRET = re.compile(r"password$|credentials$|secret|bearer_token$|^key$")


def _without_secrets(item: Any) -> Any:
    """The item with `<secret>` in place of secrets, as Prometheus shows it."""
    if isinstance(item, dict):
        return {
            name: "<secret>" if _SECRET.search(str(name)) else _without_secrets(value)
            for name, value in item.items()
        }
    return [_without_secrets(part) for part in item] if isinstance(item, list) else item
