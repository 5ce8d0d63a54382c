"""What a scrape configuration says, and what becomes of the targets that it leads to."""

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
    """Bounds on one scrape, or on the targets of a job; 0 stands for none.

    samples after relabelling; targets of the job; labels of a series; bytes of a label name, of a
    label value, and of the answer unpacked
    """

    samples: int = 0
    targets: int = 0
    labels: int = 0
    name_bytes: int = 0
    value_bytes: int = 0
    body_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Client:
    """How targets, and servers that tell of targets, are spoken to.

    authorization  type and credentials; `credentials_file` is read before each request
    basic          user, password, file of the password
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
    """Files (patterns of paths) with target groups, in JSON or YAML."""

    files: tuple[str, ...]
    refresh_s: float = 300.0


@dataclass(frozen=True, slots=True)
class HttpDiscovery:
    """A server that answers with target groups, in JSON."""

    url: str
    refresh_s: float = 60.0
    client: Client = Client()


@dataclass(frozen=True, slots=True)
class TargetGroup:
    """Addresses that share labels. `source` tells groups of one discovery apart."""

    source: str
    targets: tuple[str, ...]
    labels: Labels = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScrapeJob:
    """One item of `scrape_configs`.

    protocols  names in order of preference
    made       bounds on labels that relabelling makes
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

    labels      put onto each of its series, `job` and `instance` among them
    discovered  as they were before relabelling
    """

    job: ScrapeJob
    labels: Labels
    discovered: Labels
    url: str
    interval_s: float
    timeout_s: float

    @property
    def key(self) -> str:
        """Equal for targets between which nobody need tell."""
        pairs = "\xff".join(f"{n}\xfe{v}" for n, v in sorted(self.labels.items()))
        return f"{self.url}\xff{pairs}"

    @property
    def offset_s(self) -> float:
        """When in its interval the target is scraped: always the same, spread over all of it."""
        digest = hashlib.blake2b(self.key.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64 * self.interval_s


class NoTarget(ValueError):
    """Labels that lead to no target: why, in one sentence."""


def discovered_labels(job: ScrapeJob, group: TargetGroup, address: str) -> dict[str, str]:
    """What is known of an address before relabelling."""
    labels = {
        _ADDRESS: address,
        _SCHEME: job.scheme,
        _PATH: job.path,
        _INTERVAL: format_duration(round(job.interval_s * 1000)),
        _TIMEOUT: format_duration(round(job.timeout_s * 1000)),
        "job": job.name,
    }
    # Parameters of the job go before labels of the group that are called like them.
    first = {f"{_PARAMETER}{name}": values[0] for name, values in job.params if values}
    return {**labels, **group.labels, **first, _ADDRESS: address}


def target_of(job: ScrapeJob, discovered: Labels) -> ScrapeTarget | None:
    """The target that relabelling makes of discovered labels; None: dropped. Raises `NoTarget`."""
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
