"""What a server can be told: arguments, `NOVAQL_*` in the environment, or a TOML file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from novaql import tsdb
from novaql.errors import ArgumentError
from novaql.server.addresses import is_loopback, parse_networks, parse_server
from novaql.server.settings_limits import RESOURCE_LIMITS, TENANT_LIMITS
from novaql.server.settings_sources import of_environment, of_file
from novaql.timeparse import duration_ms

__all__ = ["TENANT_LIMITS", "Limits", "Settings", "SyncMode"]
SyncMode = Literal["always", "interval", "os"]
_AT_LEAST_ONE = ("query_threads", "write_queue", "max_body_bytes", "workers")
_URL = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]]+)(:[0-9]{1,5})?(/[^\s?#]*)?")

Limits = tuple[tuple[str, float], ...]
"""Those of a tenant: names and values."""

_SECRET = ("master_key", "database_url")
_LIMITS_OF_WRITES = (
    "max_write_bytes",
    "max_unpacked_bytes",
    "max_write_series",
    "max_labels",
    "max_label_name_bytes",
    "max_label_value_bytes",
    "max_delta_series",
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything configurable. Raises `ArgumentError` for what cannot be served safely.

    data                directory of the store; what the server itself keeps is in `data/server`
    host, port          where to listen; port 0 takes a free one
    auth                ask for tokens. Without, only a loopback address is accepted
    tls_cert, tls_key   PEM files of a certificate (its chain included) and its key; the server then
                        speaks TLS alone. SIGHUP reads them again. None: it speaks plain HTTP
    trusted_proxies     networks of proxies whose `X-Forwarded-For`, `-Proto` and `-Host` are
                        believed: CIDRs separated by commas; "": nobody's are
    max_connections     open connections of all clients, at most half of the files that the system
                        lets a process open; 0: no limit
    max_connections_per_address   and of one address (one /64 network of IPv6), a trusted proxy
                        excepted; of clients behind one, requests at a time; 0: no limit
    sync                when a write reaches the disk: before it is acknowledged (`always`), at
                        least every `sync_interval_s` (`interval`), or when the system likes (`os`)
    retention           how long samples are kept, such as `90d`; "": for ever
    retention_bytes     the oldest samples go while the store is larger; 0: it may be
    rollups             resolutions that samples are summed up by, such as `5m,1h`; "": none
    rollup_retention    how long rollups stay when their samples have gone, such as `2y`; "": no
                        longer than these
    query_threads       queries that run at one time; `query_queue` more may wait, half of them of
                        one tenant; the rest get 503
    max_concurrent_queries   queries of one tenant that run or wait at one time, then 429; 0: as
                        many as the queue takes
    write_queue         bodies with samples that are decoded or wait for it at one time, shared
                        fairly by the tenants; the rest get 503 and come again
    max_bodies_bytes    memory for the bodies with samples that are in work, of all tenants; while
                        another tenant needs it, one tenant has at most half
    query_timeout_s     budget of a query that asks for none, and the most it may ask for
    query_memory_bytes  memory for the queries of all tenants together; 0: a quarter of what the
                        machine or the control group has. More workers share it
    max_query_samples, max_query_points   budget of one query: samples read, and steps of
                        a range after the first
    result_cache_bytes  memory for answers to range queries, of which a later one uses what has not
                        changed, and as much again for their texts; 0: none are kept. A query with
                        `nocache=1` uses none and adds none
    state_cache_bytes   memory for answers to reads of the database, used while nobody changes it
    measured_for_s      what was measured for an objective or a service's health is told again for
                        so long, and as long again at most while it is measured anew, unless a
                        client has written samples since; 0: it is measured each time it is asked
                        for
    max_read_samples    most samples in one answer to a remote read
    max_body_bytes      largest request body to a JSON endpoint
    max_write_bytes     largest body with samples, as it is sent
    max_unpacked_bytes  and when it is unpacked
    max_write_series    most series in one such body
    max_labels          most labels of a series that is sent
    max_label_name_bytes, max_label_value_bytes   longest name and value of such a label
    max_delta_series    OTLP series of delta temporality whose sums are kept at one time
    compress_bytes      answers from this size on are compressed for clients that accept it
    scrape_config       a configuration file of Prometheus, whose `scrape_configs` are scraped into
                        the first tenant's store, or a folder with a file for each tenant, called
                        by its name: `acme.yml`; None: nothing is scraped
    max_lag_s           graceful stop: how long running requests may take to end
    database_url        where everything but samples is kept: `postgresql://…`, or `sqlite:///…`;
                        "" is a SQLite file in `data/server`
    master_key          what secrets are sealed with: 32 bytes in base64; older keys may follow,
                        separated by commas. "" is a key file in `data/server`, made when missing
    rate_per_minute, rate_per_day   requests of one token in a minute, of one tenant in a day
    prometheus_per_minute           requests of one token to Prometheus's base; 0: no limit
    strangers_per_minute            requests without a good token from one address, then 429
    egress_allow        networks that outgoing requests may reach though they are not public:
                        CIDRs separated by commas (also `NOVA_EGRESS_ALLOW`)
    dns_server          DNS server that names of outgoing requests are looked up at, such as
                        `10.0.0.2` or `127.0.0.1:5353`; "": as the system does
    webhook_http        whether webhooks may have URLs that begin with `http://`
    webhook_retries     waits between attempts to deliver a message
    webhook_timeout_s   how long a receiver may take
    webhook_overlap_s   how long the secret before a rotation stays valid
    workers             processes that answer requests. 1: this one does everything. More: this one
                        keeps the samples and runs the jobs, and so many others share the socket
    job_threads         jobs that run at one time; 0: none run in this process
    job_lease_s         a job is taken over by another server when the one that runs it has not been
                        heard of for so long; a server that starts again takes back its own at once
    clock_file          a file that tells the time, for tests of a whole server; "" for none
    public_url          how clients reach the server: in links that it sends out, and the origin
                        whose pages may write, beside the address that it listens on
    evaluation_interval_s   between evaluations of rules whose group names no interval
    evaluations_spread  each group of rules is evaluated at a moment of its own within its interval;
                        False: at whole intervals after it was made
    notify_gap_s        an alert is told by hand once in so many seconds
    min_evaluation_interval_s   shortest interval of a tenant's groups of rules
    max_rule_series     alerts or series of one rule; with more its evaluation fails; 0: no limit
    max_rules, max_rule_groups, max_silences, max_channels, max_webhooks, max_dashboards,
    max_embeds, max_tokens, max_users, max_user_groups, max_services, max_slos, max_open_incidents,
    max_audit_exports   resources of a tenant at one time, then 409 `limit_reached`; 0: no limit.
                        Rules of objectives do not count; what has ended does not count
    max_former_users    deactivated users of a tenant; with more no user is made
    max_group_members   memberships of users in groups, of all groups of a tenant
    max_pending_deliveries   messages to webhooks, and notifications, of a tenant that wait to be
                        delivered; one more message is a dead letter, a notification waits
    max_incident_entries   entries in the timeline of an incident; one more comment is refused
    max_idempotency_keys   keys of a tenant in 24 hours
    max_scrape_targets  targets of a tenant; those beyond it are listed as dropped
    max_history         rows of a tenant that have ended, of each kind: the newest are kept
    calls_selector      counter of calls with labels `client` and `server`, from which edges between
                        services are discovered
    """

    data: Path = Path("novaql-data")
    host: str = "127.0.0.1"
    port: int = 9490
    auth: bool = True
    tls_cert: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: str = ""
    max_connections: int = 4096
    max_connections_per_address: int = 256
    sync: SyncMode = "interval"
    sync_interval_s: float = 1.0
    retention: str = ""
    retention_bytes: int = 0
    rollups: str = ""
    rollup_retention: str = ""
    query_threads: int = 2
    query_queue: int = 64
    max_concurrent_queries: int = 64
    write_queue: int = 32
    max_bodies_bytes: int = 256 << 20
    query_timeout_s: float = 120.0
    query_memory_bytes: int = 0
    max_query_samples: int = 500_000_000
    max_query_points: int = 11_000
    result_cache_bytes: int = 64 << 20
    state_cache_bytes: int = 16 << 20
    measured_for_s: float = 5.0
    max_read_samples: int = 20_000_000
    max_body_bytes: int = 1 << 20
    max_write_bytes: int = 64 << 20
    max_unpacked_bytes: int = 64 << 20
    max_write_series: int = 1_000_000
    max_labels: int = 256
    max_label_name_bytes: int = 1024
    max_label_value_bytes: int = 64 << 10
    max_delta_series: int = 200_000
    compress_bytes: int = 4096
    scrape_config: Path | None = None
    max_lag_s: float = 10.0
    database_url: str = field(default="", repr=False)
    master_key: str = field(default="", repr=False)
    rate_per_minute: int = 100
    rate_per_day: int = 10_000
    prometheus_per_minute: int = 60_000
    strangers_per_minute: int = 120
    egress_allow: str = ""
    dns_server: str = ""
    webhook_http: bool = False
    webhook_retries: str = "5s,5m,30m,2h,5h,10h,14h,20h,24h"
    webhook_timeout_s: float = 15.0
    webhook_overlap_s: float = 86_400.0
    workers: int = 1
    job_threads: int = 4
    job_lease_s: float = 15.0
    clock_file: str = ""
    public_url: str = ""
    evaluation_interval_s: float = 60.0
    evaluations_spread: bool = True
    notify_gap_s: float = 30.0
    min_evaluation_interval_s: float = 1.0
    max_rule_series: int = 20_000
    max_rules: int = 5_000
    max_rule_groups: int = 1_000
    max_silences: int = 1_000
    max_channels: int = 500
    max_webhooks: int = 100
    max_dashboards: int = 2_000
    max_embeds: int = 2_000
    max_tokens: int = 2_000
    max_users: int = 10_000
    max_user_groups: int = 1_000
    max_services: int = 2_000
    max_slos: int = 1_000
    max_open_incidents: int = 2_000
    max_audit_exports: int = 50
    max_former_users: int = 20_000
    max_group_members: int = 200_000
    max_pending_deliveries: int = 10_000
    max_incident_entries: int = 10_000
    max_idempotency_keys: int = 20_000
    max_scrape_targets: int = 10_000
    max_history: int = 100_000
    calls_selector: str = "traces_service_graph_request_total"

    def __post_init__(self) -> None:
        if not self.auth and not is_loopback(self.host):
            raise ArgumentError(
                "listen",
                f"without authentication the server listens on this machine only, "
                f"not on {self.host!r}; use 127.0.0.1 or leave authentication on",
            )
        if self.sync not in get_args(SyncMode):
            raise ArgumentError("sync", f"is one of {', '.join(get_args(SyncMode))}")
        if not 0 <= self.port <= 65535:
            raise ArgumentError("listen", f"{self.port} is no port number")
        for name in (
            "query_threads",
            "write_queue",
            "max_bodies_bytes",
            "max_body_bytes",
            "workers",
            *_LIMITS_OF_WRITES,
        ):
            if getattr(self, name) < 1:
                raise ArgumentError(name, "must be at least 1")
        for name in ("egress_allow", "trusted_proxies"):
            try:
                parse_networks(getattr(self, name))
            except ValueError as problem:
                raise ArgumentError(name, str(problem)) from None
        try:
            if self.dns_server:
                parse_server(self.dns_server, 53)
        except ValueError as problem:
            raise ArgumentError(
                "dns_server", f"must be ADDRESS or ADDRESS:PORT: {problem}"
            ) from None
        if (self.tls_cert is None) != (self.tls_key is None):
            missing = "tls_cert" if self.tls_cert is None else "tls_key"
            raise ArgumentError(missing, "is needed, too: TLS has a certificate and a key")
        if self.public_url and not _URL.fullmatch(self.public_url):
            raise ArgumentError(
                "public_url", "must be http:// or https://, a host, and at most a path"
            )
        for name in (
            "rate_per_minute",
            "rate_per_day",
            "prometheus_per_minute",
            "strangers_per_minute",
            "max_connections",
            "max_connections_per_address",
            "job_threads",
            "retention_bytes",
            "max_concurrent_queries",
            "min_evaluation_interval_s",
            "max_rule_series",
            "query_memory_bytes",
            *RESOURCE_LIMITS,
        ):
            if getattr(self, name) < 0:
                raise ArgumentError(name, "must be 0 or more")
        for name in (
            "sync_interval_s",
            "query_timeout_s",
            "webhook_timeout_s",
            "evaluation_interval_s",
        ):
            if not getattr(self, name) > 0:
                raise ArgumentError(name, "must be greater than 0")

        if not 1 <= self.job_lease_s <= 3600:
            raise ArgumentError("job_lease_s", "must be from 1 to 3600")
        if self.max_bodies_bytes < self.max_write_bytes:
            raise ArgumentError("max_bodies_bytes", "must be at least max_write_bytes")
        if self.webhook_timeout_s > 60:
            raise ArgumentError("webhook_timeout_s", "must be at most 60")
        if self.webhook_overlap_s < 0:
            raise ArgumentError("webhook_overlap_s", "must be 0 or more")
        self.webhook_schedule()
        self.kept()

    def kept(self) -> dict[str, Any]:
        """What of the settings says how samples are kept, as options of `tsdb.open`."""
        found: dict[str, Any] = {}
        names = {"retention": "retention_ms", "rollup_retention": "rollup_retention_ms"}
        for name, option in names.items():
            text = getattr(self, name)
            found[option] = _positive_ms(name, text) if text else None
        parts = [part.strip() for part in self.rollups.split(",") if part.strip()]
        found["rollups_ms"] = tuple(_positive_ms("rollups", part) for part in parts)
        found["retention_bytes"] = self.retention_bytes or None
        try:
            tsdb.StoreOptions(**found)
        except ValueError as problem:
            raise ArgumentError("retention", str(problem)) from None
        return found

    def within(self, limits: Limits) -> Settings:
        """The settings as a tenant has them that has limits of its own.

        Raises `ArgumentError` for a limit that is none.
        """
        chosen: dict[str, Any] = dict(limits)
        return replace(self, **chosen) if chosen else self

    def shown(self, name: str) -> Any:
        """A setting for others to see: of what holds a secret, only that it is set."""
        value = getattr(self, name)
        return "[hidden]" if value and name in _SECRET else value

    def webhook_schedule(self) -> tuple[timedelta, ...]:
        """How long after each failed attempt to deliver a message the next one comes."""
        try:
            waits = [duration_ms(part.strip()) for part in self.webhook_retries.split(",")]
        except ArgumentError as problem:
            raise ArgumentError("webhook_retries", str(problem)) from None
        return tuple(timedelta(milliseconds=wait) for wait in waits)

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str], *, config: Path | None = None, **arguments: Any
    ) -> Settings:
        """Arguments that are not None win over `NOVAQL_<NAME>`, that over the file, that over
        the default.

        config  a TOML file with settings by their names; None: the one that `NOVAQL_CONFIG` names
        """
        named = config or (Path(environ["NOVAQL_CONFIG"]) if environ.get("NOVAQL_CONFIG") else None)
        hints = get_type_hints(cls)
        chosen = {} if named is None else of_file(named, hints)
        for one in fields(cls):
            text = environ.get(f"NOVAQL_{one.name.upper()}")
            if text is None and one.name == "egress_allow":
                text = environ.get("NOVA_EGRESS_ALLOW")
            if text is not None:
                chosen[one.name] = of_environment(one.name, text, hints[one.name])
        chosen.update({name: value for name, value in arguments.items() if value is not None})
        return cls(**chosen)

    def as_text(self) -> str:
        """For `from_text` in another process."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_text(cls, text: str) -> Settings:
        """What `as_text` was made of."""
        paths = {n for n, hint in get_type_hints(cls).items() if hint in (Path, Path | None)}
        told: dict[str, Any] = json.loads(text)
        for name in paths:
            told[name] = None if told[name] is None else Path(told[name])
        return cls(**told)


def _positive_ms(name: str, text: str) -> int:
    found = duration_ms(text, argument=name)
    if found <= 0:
        raise ArgumentError(name, f"{text!r} must be greater than 0")
    return found
