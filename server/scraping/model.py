"""Scrape configurations, and the targets that result from them.

The fields of a job have the names and the defaults of Prometheus's configuration file.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from typing import Annotated
from urllib.parse import urlencode

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from novaql import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs import (
    USUAL_LIMITS,
    ExposedOptions,
    LabelLimits,
    RelabelRule,
    relabelled,
)
from novaql.language import format_duration
from novaql.rules import file_duration_ms

Labels = Mapping[str, str]
ADDRESS = "__address__"
"""The label with host and port of a target."""
_SCHEME, _PATH, _PARAMETER = "__scheme__", "__metrics_path__", "__param_"
_INTERVAL, _TIMEOUT = "__scrape_interval__", "__scrape_timeout__"
_SIZES = {"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([KMGTPE]?)i?B?")
PROTOCOLS = (
    "OpenMetricsText1.0.0",
    "OpenMetricsText0.0.1",
    "PrometheusText1.0.0",
    "PrometheusText0.0.4",
)
"""Protocols of a job without native histograms, in order of preference."""
_NATIVE = "PrometheusProto"
"""The protocol that has native histograms."""


def _placed(file: str, info: ValidationInfo) -> str:
    """The path of a file; a relative one begins at the folder of the configuration, which is the
    context of the validation."""
    return os.path.join(info.context or "", file) if file else ""


def _octets(text: object) -> int:
    found = _SIZE.findall(str(text))
    return int(sum(float(number) * _SIZES.get(unit, 1 << 60) for number, unit in found))


def _rule(item: object) -> object:
    """The fields of a rule. YAML may have numbers for texts; Prometheus ignores the case of the
    action."""
    if not isinstance(item, Mapping):
        return item
    texts = ("separator", "regex", "target_label", "replacement")
    action = str(item.get("action", "replace")).lower()
    return {**item, **{name: str(item[name]) for name in texts if name in item}, "action": action}


Text = Annotated[str, BeforeValidator(str)]
File = Annotated[Text, AfterValidator(_placed)]
Seconds = Annotated[float, BeforeValidator(lambda text: file_duration_ms(str(text)) / 1000)]
Octets = Annotated[int, BeforeValidator(_octets)]
Rule = Annotated[RelabelRule, BeforeValidator(_rule)]


class _Section(BaseModel):
    """A section of the file. It ignores other fields: `novaql check config` has checked them."""

    model_config = ConfigDict(frozen=True)


class BasicAuth(_Section):
    """The password, or a file with it, which is read before each request."""

    username: Text = ""
    password: Text = ""
    password_file: File = ""


class Authorization(_Section):
    """The credentials, or a file with them, which is read before each request."""

    type: Text = "Bearer"
    credentials: Text = ""
    credentials_file: File = ""


class Tls(_Section):
    """Files of certificates and of the key.

    server_name  of the certificate; "": the host of the URL
    """

    ca_file: File = ""
    cert_file: File = ""
    key_file: File = ""
    server_name: Text = ""
    insecure_skip_verify: bool = False


class HttpHeader(_Section):
    """Values of a header."""

    values: tuple[Text, ...] = ()
    secrets: tuple[Text, ...] = ()


class Client(_Section):
    """Settings of the HTTP client for targets and discovery servers."""

    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    bearer_token: Text = ""
    bearer_token_file: File = ""
    tls_config: Tls = Tls()
    follow_redirects: bool = True
    http_headers: dict[Text, HttpHeader] = Field(default_factory=dict)


class TargetGroup(_Section):
    """Addresses with common labels."""

    targets: tuple[Text, ...] = ()
    labels: dict[Text, Text] = Field(default_factory=dict)


class FileDiscovery(_Section):
    """Discovery from files (glob patterns) with target groups, in JSON or YAML."""

    files: tuple[File, ...]
    refresh_interval: Seconds = 300.0


class HttpDiscovery(Client):
    """Discovery from a server that answers with target groups, in JSON."""

    url: Text
    refresh_interval: Seconds = 60.0


class ScrapeJob(Client):
    """One item of `scrape_configs`. A limit of 0 means no limit.

    label_limits  limits of labels that relabelling creates
    text          the item as YAML, without secrets
    """

    job_name: Text
    scrape_interval: Seconds = 60.0
    scrape_timeout: Seconds | None = None
    metrics_path: Text = "/metrics"
    scheme: Text = "http"
    params: dict[Text, tuple[Text, ...]] = Field(default_factory=dict)
    honor_labels: bool = False
    honor_timestamps: bool = True
    track_timestamps_staleness: bool = False
    enable_compression: bool = True
    extra_scrape_metrics: bool = False
    scrape_protocols: tuple[Text, ...] = ()
    fallback_scrape_protocol: Text = ""
    scrape_native_histograms: bool = False
    scrape_classic_histograms: bool = False
    always_scrape_classic_histograms: bool = False
    convert_classic_histograms_to_nhcb: bool = False
    sample_limit: int = 0
    target_limit: int = 0
    label_limit: int = 0
    label_name_length_limit: int = 0
    label_value_length_limit: int = 0
    body_size_limit: Octets = 0
    relabel_configs: tuple[Rule, ...] = ()
    metric_relabel_configs: tuple[Rule, ...] = ()
    static_configs: tuple[TargetGroup, ...] = ()
    file_sd_configs: tuple[FileDiscovery, ...] = ()
    http_sd_configs: tuple[HttpDiscovery, ...] = ()
    label_limits: LabelLimits = USUAL_LIMITS
    text: str = ""

    @property
    def timeout_s(self) -> float:
        timeout = self.scrape_timeout
        return min(10.0, self.scrape_interval) if timeout is None else timeout

    @property
    def _native(self) -> bool:
        return self.scrape_native_histograms or _NATIVE in self.scrape_protocols

    @property
    def protocols(self) -> tuple[str, ...]:
        """Names of protocols in order of preference."""
        return self.scrape_protocols or ((_NATIVE, *PROTOCOLS) if self._native else PROTOCOLS)

    @property
    def exposed(self) -> ExposedOptions:
        classic = self.always_scrape_classic_histograms or self.scrape_classic_histograms
        return ExposedOptions(self._native, classic, self.convert_classic_histograms_to_nhcb)


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
        ADDRESS: address,
        _SCHEME: job.scheme,
        _PATH: job.metrics_path,
        _INTERVAL: format_duration(round(job.scrape_interval * 1000)),
        _TIMEOUT: format_duration(round(job.timeout_s * 1000)),
        "job": job.job_name,
    }
    own = {name: value for name, value in group.labels.items() if value}
    # Parameters of the job override labels of the group with the same names.
    first = {f"{_PARAMETER}{name}": values[0] for name, values in job.params.items() if values}
    return {**labels, **own, **first, ADDRESS: address}


def target_of(job: ScrapeJob, discovered: Labels) -> ScrapeTarget | None:
    """Relabel discovered labels to a target; None: relabelling drops it. Raises `NoTarget`."""
    try:
        labels = relabelled(discovered, job.relabel_configs, job.label_limits)
    except InputError as problem:
        raise NoTarget(str(problem)) from problem
    if labels is None:
        return None
    address = labels.get(ADDRESS, "")
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
    parameters: dict[str, Sequence[str]] = {**job.params}
    for name, value in labels.items():
        if name.startswith(_PARAMETER):
            key = name.removeprefix(_PARAMETER)
            parameters[key] = (value, *parameters.get(key, ())[1:])
    query = urlencode(sorted(parameters.items()), doseq=True)
    scheme, path = labels.get(_SCHEME, "http"), labels.get(_PATH, "/metrics")
    if not path.startswith("/"):
        path = f"/{path}"
    return f"{scheme}://{labels[ADDRESS]}{path}{f'?{query}' if query else ''}"
