"""Scrape configurations, and the targets that result from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from novaql import InputError
from novaql.inputs import (
    AS_EXPOSED,
    USUAL_LIMITS,
    ExposedOptions,
    LabelLimits,
    RelabelRule,
    relabelled,
)
from novaql.language import format_duration
from novaql.rules import file_duration_ms

Labels = Mapping[str, str]
_ADDRESS, _SCHEME, _PATH, _PARAMETER = "__address__", "__scheme__", "__metrics_path__", "__param_"
_INTERVAL, _TIMEOUT = "__scrape_interval__", "__scrape_timeout__"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one scrape, and of the targets of a job; 0: no limit.

    samples      samples after relabelling
    targets      targets of the job
    labels       labels of a series
    name_bytes   size of a label name
    value_bytes  size of a label value
    body_bytes   size of the decompressed answer
    """

    samples: int = 0
    targets: int = 0
    labels: int = 0
    name_bytes: int = 0
    value_bytes: int = 0
    body_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Client:
    """Settings of the HTTP client for targets and discovery servers.

    authorization  type, credentials, and file of the credentials, read before each request
    basic          user, password, and file of the password, read before each request
    """

    basic: tuple[str, str, str] | None = None
    authorization: tuple[str, str, str] | None = None
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    insecure_skip_verify: bool = False
    follow_redirects: bool = True
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class FileDiscovery:
    """Discovery from files (glob patterns) with target groups, in JSON or YAML."""

    files: tuple[str, ...]
    refresh_s: float = 300.0


@dataclass(frozen=True, slots=True)
class HttpDiscovery:
    """Discovery from a server that answers with target groups, in JSON."""

    url: str
    refresh_s: float = 60.0
    client: Client = Client()


@dataclass(frozen=True, slots=True)
class TargetGroup:
    """Addresses with common labels. source: identifies the group in its discovery"""

    source: str
    targets: tuple[str, ...]
    labels: Labels = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScrapeJob:
    """One item of `scrape_configs`.

    protocols  names in order of preference
    made       limits of labels that relabelling creates
    """

    name: str
    interval_s: float = 60.0
    timeout_s: float = 10.0
    path: str = "/metrics"
    scheme: str = "http"
    params: tuple[tuple[str, tuple[str, ...]], ...] = ()
    honor_labels: bool = False
    honor_timestamps: bool = True
    track_timestamps_staleness: bool = False
    compression: bool = True
    extra_metrics: bool = False
    protocols: tuple[str, ...] = ()
    fallback_protocol: str = ""
    limits: Limits = Limits()
    client: Client = Client()
    exposed: ExposedOptions = AS_EXPOSED
    relabel: tuple[RelabelRule, ...] = ()
    metric_relabel: tuple[RelabelRule, ...] = ()
    made: LabelLimits = USUAL_LIMITS
    static: tuple[TargetGroup, ...] = ()
    files: tuple[FileDiscovery, ...] = ()
    http: tuple[HttpDiscovery, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class ScrapeTarget:
    """One target after relabelling.

    labels      labels of each of its series, including `job` and `instance`
    discovered  labels before relabelling
    """

    job: ScrapeJob
    labels: Labels
    discovered: Labels
    url: str
    interval_s: float
    timeout_s: float

    @property
    def key(self) -> str:
        """The identity of the target: targets with the same URL and labels have the same key."""
        pairs = "\xff".join(f"{n}\xfe{v}" for n, v in sorted(self.labels.items()))
        return f"{self.url}\xff{pairs}"

    @property
    def offset_s(self) -> float:
        """The offset of scrapes in the interval. It depends only on the key, so the offsets of
        targets are spread over the interval."""
        digest = hashlib.blake2b(self.key.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64 * self.interval_s


class NoTarget(ValueError):
    """The labels do not define a valid target. The message is one sentence."""


def discovered_labels(job: ScrapeJob, group: TargetGroup, address: str) -> dict[str, str]:
    """The labels of an address before relabelling."""
    labels = {
        _ADDRESS: address,
        _SCHEME: job.scheme,
        _PATH: job.path,
        _INTERVAL: format_duration(round(job.interval_s * 1000)),
        _TIMEOUT: format_duration(round(job.timeout_s * 1000)),
        "job": job.name,
    }
    # Parameters of the job override labels of the group with the same names.
    first = {f"{_PARAMETER}{name}": values[0] for name, values in job.params if values}
    return {**labels, **group.labels, **first, _ADDRESS: address}


def target_of(job: ScrapeJob, discovered: Labels) -> ScrapeTarget | None:
    """Relabel discovered labels to a target; None: relabelling drops it. Raises `NoTarget`."""
    try:
        labels = relabelled(discovered, job.relabel, job.made)
    except InputError as problem:
        raise NoTarget(str(problem)) from problem
    if labels is None:
        return None
    address = labels.get(_ADDRESS, "")
    if not address:
        raise NoTarget("no address")
    if "/" in address:
        raise NoTarget(f"{address!r} is no host and port")
    interval = _seconds(labels.get(_INTERVAL, ""), "interval")
    timeout = _seconds(labels.get(_TIMEOUT, ""), "timeout")
    if timeout > interval:
        raise NoTarget(
            f"scrape timeout cannot be greater than scrape interval "
            f"({labels[_TIMEOUT]!r} > {labels[_INTERVAL]!r})"
        )
    own = {name: value for name, value in labels.items() if not name.startswith("__")}
    own.setdefault("instance", address)
    return ScrapeTarget(job, own, discovered, _url(job, labels), interval, timeout)


def _seconds(text: str, what: str) -> float:
    try:
        ms = file_duration_ms(text)
    except ValueError as problem:
        raise NoTarget(f"error parsing scrape {what}: {problem}") from problem
    if ms == 0:
        raise NoTarget(f"scrape {what} cannot be 0")
    return ms / 1000


def _url(job: ScrapeJob, labels: Labels) -> str:
    parameters: dict[str, Sequence[str]] = dict(job.params)
    for name, value in labels.items():
        if name.startswith(_PARAMETER):
            key = name.removeprefix(_PARAMETER)
            parameters[key] = (value, *parameters.get(key, ())[1:])
    query = urlencode(sorted(parameters.items()), doseq=True)
    scheme, path = labels.get(_SCHEME, "http"), labels.get(_PATH, "/metrics")
    if not path.startswith("/"):
        path = f"/{path}"
    return f"{scheme}://{labels[_ADDRESS]}{path}{f'?{query}' if query else ''}"
