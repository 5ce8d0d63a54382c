"""Settings of a server: from arguments, `NOVAQL_*` in the environment, or a TOML file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field, replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_type_hints

from novaql import ArgumentError, duration_ms, tsdb
from novaql.fast_dataclass import dataclass
from novaql.server.addresses import is_loopback, parse_networks, parse_server
from novaql.server.settings_limits import (
    AnySeconds,
    AtLeastOne,
    CacheBytes,
    OrUnlimited,
    PerTenant,
    Rule,
    Seconds,
    SecondsOfLease,
    SecondsOfRequest,
)
from novaql.server.settings_operations import OperationSettings
from novaql.server.settings_renames import SettingNames
from novaql.server.settings_sources import environment_texts, of_environment, of_file

SyncMode = Literal["always", "interval", "os"]
_URL = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]]+)(:[0-9]{1,5})?(/[^\s?#]*)?")

Limits = tuple[tuple[str, float], ...]
"""Limits of one tenant: names and values."""

Note = TypeVar("Note")
_SECRET = ("master_key", "database_url")


@dataclass(frozen=True, slots=True)
class Settings(OperationSettings):
    """Every setting of the server; those of operations are in `OperationSettings`. Raises
    `ArgumentError` for unsafe or impossible values.

    data                directory of the store; the server's own files are in `data/server`
    host, port          address to listen on; port 0 takes a free one
    auth                require tokens. Without them, only a loopback address is accepted
    tls_cert, tls_key   PEM files of a certificate (with its chain) and its key; the server then
                        serves TLS only. SIGHUP reloads them. None: plain HTTP
    trusted_proxies     networks of proxies whose `X-Forwarded-For`, `-Proto` and `-Host` are
                        trusted: CIDRs separated by commas; "": none
    max_connections     open connections of all clients, at most half of the files that a process
                        may open; 0: no limit
    max_connections_per_address   open connections of one address (one /64 network of IPv6); for
                        clients behind a trusted proxy, concurrent requests; 0: no limit
    sync                when a write reaches the disk: before it is acknowledged (`always`), at
                        least every `sync_interval_s` (`interval`), or when the system syncs (`os`)
    retention           age at which samples are deleted, such as `90d`; "": never
    retention_bytes     size of the store above which the oldest samples are deleted; 0: no limit
    rollups             resolutions of rollups, such as `5m,1h`; "": none
    rollup_retention    age at which rollups are deleted, such as `2y`; "": with their samples
    store_cache_bytes   memory of the caches of one tenant's store; 0: none. Repeated queries read
                        no files if their samples fit in three quarters of it, with 8 bytes a sample
    total_store_cache_bytes  memory of the caches of all tenants' stores; 0: a quarter of the memory
                        of the machine or control group, or `store_cache_bytes` if that is more.
                        Where they would take more, the tenant with the largest cache loses what it
                        has not used for longest
    query_threads       queries that run concurrently; `query_queue` more wait, at most half of them
                        from one tenant; the server rejects the rest with 503
    max_concurrent_queries   queries of one tenant that run or wait; the server rejects more with
                        429; 0: only the queue limits them
    write_queue         request bodies with samples that the server decodes or queues, shared fairly
                        by the tenants; it rejects the rest with 503, and clients retry
    write_memory_bytes  memory for all request bodies with samples; while another tenant needs it,
                        one tenant gets at most half
    query_timeout_s     default and largest timeout of a query
    query_memory_bytes  memory for the queries of all tenants; 0: a quarter of the memory of the
                        machine or control group. Workers share it
    max_query_samples, max_query_points   limits of one query: samples read, and steps of a range
                        after the first
    result_cache_bytes  memory of the result cache of range queries; 0: no cache. A query with
                        `nocache=1` does not use it
    response_cache_bytes  memory of the cache of responses to reads of the database
    slo_cache_ttl_s     time for which values for SLOs and service health are cached, and as long
                        again while the server evaluates them in the background, unless a client
                        writes samples; after a scrape at most 5 s; 0: each request evaluates them
    max_read_samples    samples in one answer to a remote read
    max_body_bytes      size of the body of a request to a JSON endpoint
    max_write_bytes     size of a request body with samples, as sent
    max_decompressed_bytes   size of such a body after decompression
    max_write_series    series in one such body
    max_labels          labels of a received series
    max_label_name_bytes, max_label_value_bytes   length of a name and a value of such a label
    max_delta_series    OTLP series of delta temporality whose sums the server holds
    compression_min_bytes   size from which answers are compressed for clients that accept it
    scrape_config       a configuration file of Prometheus, whose `scrape_configs` are scraped into
                        the first tenant's store, or a folder with a file named after each tenant,
                        such as `acme.yml`; None: no scraping
    shutdown_timeout_s  time that running requests have to end after SIGTERM
    database_url        database for everything but samples: `postgresql://…` or `sqlite:///…`;
                        "": a SQLite file in `data/server`
    master_key          key that encrypts secrets: 32 bytes in base64; older keys may follow,
                        separated by commas. "": a key file in `data/server`, created when missing
    rate_per_minute, rate_per_day   requests of one token in a minute, of one tenant in a day
    prometheus_per_minute           requests of one token to the Prometheus base; 0: no limit
    session_per_minute              requests in a minute of all sessions of browsers that one token
                        opened; they do not count in the two quotas above; 0: no limit
    session_s           time after which a session of a browser ends
    auth_failures_per_minute        requests without a valid token from one address in a minute;
                        the server rejects more with 429
    egress_allow        non-public networks that outgoing requests may reach: CIDRs separated by
                        commas (also `NOVA_EGRESS_ALLOW`)
    dns_server          DNS server for names of outgoing requests, such as `10.0.0.2` or
                        `127.0.0.1:5353`; "": the system's
    webhook_http        allow webhook URLs that begin with `http://`
    webhook_retry_delays   delays between attempts to deliver a message
    webhook_timeout_s   timeout of one attempt
    webhook_secret_overlap_s   time for which the previous secret remains valid after a rotation
    workers             processes that answer requests. 1: this process does everything. More: this
                        process owns the samples and runs the jobs, the workers share the socket
    job_threads         jobs that run concurrently; 0: this process runs none
    job_lease_s         length of the lease of a job: if it is not renewed within it, another
                        server claims the job; a server that restarts claims its own jobs at once
    clock_file          a file with the current time, for tests of a whole server; "": none
    access_log          write a log line for each request, except scrapes and probes (such as
                        `/metrics`, `/healthz` and `/ping`), with its route, status and duration
    public_url          URL of the server for clients: the server uses it in links, and accepts
                        writes from pages of its origin, as from the address that it listens on
    evaluation_interval_s   default evaluation interval of a group of rules
    evaluations_spread  each group of rules has its own offset within its interval; False: a group
                        is evaluated at whole intervals after its creation
    manual_notify_interval_s   minimum interval between manual notifications for an alert
    min_evaluation_interval_s  shortest interval of a tenant's groups of rules
    max_rule_series     alerts or series of one rule; with more, its evaluation fails; 0: no limit
    max_rules, max_rule_groups, max_silences, max_channels, max_webhooks, max_dashboards,
    max_embeds, max_tokens, max_sessions, max_users, max_user_groups, max_services, max_slos,
    max_open_incidents, max_audit_exports
                        resources of a tenant; the server rejects more with 409 `limit_reached`;
                        0: no limit. Rules of SLOs and ended resources do not count
    max_former_users    deactivated users of a tenant; with more, the server creates no user
    max_group_members   memberships of users in all groups of a tenant
    max_pending_deliveries   webhook messages and notifications of a tenant that wait for delivery;
                        one more message becomes a dead letter, one more notification waits
    max_incident_entries   entries in the timeline of an incident; the server rejects more comments
    max_idempotency_keys   keys of a tenant in 24 hours
    max_push_groups     groups of pushed metrics of a tenant; the server rejects more with 409
    max_push_bytes      size of the last values of all these groups; 0: no limit
    push_interval_s     interval at which the server stores samples of these groups
    max_scrape_targets  targets of a tenant; the server lists those beyond it as dropped
    max_history         ended rows of a tenant in each table; the server deletes the oldest
    calls_selector      counter of calls with labels `client` and `server`, from which the server
                        discovers edges between services
    """

    data: Path = Path("novaql-data")
    host: str = "127.0.0.1"
    port: int = 9490
    auth: bool = True
    tls_cert: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: str = ""
    max_connections: OrUnlimited = 4096
    max_connections_per_address: OrUnlimited = 256
    sync: SyncMode = "interval"
    sync_interval_s: Seconds = 1.0
    retention: str = ""
    retention_bytes: OrUnlimited = 0
    rollups: str = ""
    rollup_retention: str = ""
    store_cache_bytes: CacheBytes = 256 << 20
    total_store_cache_bytes: OrUnlimited = 0
    query_threads: AtLeastOne = 2
    query_queue: int = 256
    max_concurrent_queries: Annotated[OrUnlimited, PerTenant()] = 128
    write_queue: AtLeastOne = 32
    write_memory_bytes: AtLeastOne = 256 << 20
    query_timeout_s: Annotated[Seconds, PerTenant()] = 120.0
    query_memory_bytes: OrUnlimited = 0
    max_query_samples: Annotated[int, PerTenant()] = 500_000_000
    max_query_points: Annotated[int, PerTenant()] = 11_000
    result_cache_bytes: CacheBytes = 64 << 20
    response_cache_bytes: CacheBytes = 16 << 20
    slo_cache_ttl_s: float = 15.0
    max_read_samples: Annotated[int, PerTenant()] = 20_000_000
    max_body_bytes: AtLeastOne = 1 << 20
    max_write_bytes: AtLeastOne = 64 << 20
    max_decompressed_bytes: AtLeastOne = 64 << 20
    max_write_series: AtLeastOne = 1_000_000
    max_labels: AtLeastOne = 256
    max_label_name_bytes: AtLeastOne = 1024
    max_label_value_bytes: AtLeastOne = 64 << 10
    max_delta_series: AtLeastOne = 200_000
    compression_min_bytes: int = 4096
    scrape_config: Path | None = None
    shutdown_timeout_s: float = 10.0
    database_url: str = field(default="", repr=False)
    master_key: str = field(default="", repr=False)
    rate_per_minute: Annotated[OrUnlimited, PerTenant()] = 100
    rate_per_day: Annotated[OrUnlimited, PerTenant()] = 10_000
    prometheus_per_minute: Annotated[OrUnlimited, PerTenant()] = 60_000
    session_per_minute: Annotated[OrUnlimited, PerTenant()] = 6_000
    session_s: Seconds = 7 * 86_400.0
    auth_failures_per_minute: OrUnlimited = 120
    egress_allow: str = ""
    dns_server: str = ""
    webhook_http: bool = False
    webhook_retry_delays: str = "5s,5m,30m,2h,5h,10h,14h,20h,24h"
    webhook_timeout_s: SecondsOfRequest = 15.0
    webhook_secret_overlap_s: AnySeconds = 86_400.0
    workers: AtLeastOne = 1
    job_threads: OrUnlimited = 4
    job_lease_s: SecondsOfLease = 15.0
    clock_file: str = ""
    access_log: bool = False
    public_url: str = ""
    evaluation_interval_s: Seconds = 60.0
    evaluations_spread: bool = True
    manual_notify_interval_s: float = 30.0
    min_evaluation_interval_s: Annotated[AnySeconds, PerTenant()] = 1.0
    max_rule_series: Annotated[OrUnlimited, PerTenant()] = 20_000
    max_rules: Annotated[OrUnlimited, PerTenant("rules")] = 5_000
    max_rule_groups: Annotated[OrUnlimited, PerTenant("rule groups")] = 1_000
    max_silences: Annotated[OrUnlimited, PerTenant("silences that have not ended")] = 1_000
    max_channels: Annotated[OrUnlimited, PerTenant("notification channels")] = 500
    max_webhooks: Annotated[OrUnlimited, PerTenant("webhooks")] = 100
    max_dashboards: Annotated[OrUnlimited, PerTenant("dashboards")] = 2_000
    max_embeds: Annotated[OrUnlimited, PerTenant("embedded panels")] = 2_000
    max_tokens: Annotated[OrUnlimited, PerTenant("tokens")] = 2_000
    max_sessions: Annotated[OrUnlimited, PerTenant("sessions of browsers")] = 20_000
    max_users: Annotated[OrUnlimited, PerTenant("users")] = 10_000
    max_user_groups: Annotated[OrUnlimited, PerTenant("groups of users")] = 1_000
    max_services: Annotated[OrUnlimited, PerTenant("services")] = 2_000
    max_slos: Annotated[OrUnlimited, PerTenant("objectives")] = 1_000
    max_open_incidents: Annotated[OrUnlimited, PerTenant("open incidents")] = 2_000
    max_audit_exports: Annotated[OrUnlimited, PerTenant("exports that have not expired")] = 50
    max_former_users: Annotated[OrUnlimited, PerTenant("deactivated users", requested=False)] = (
        20_000
    )
    max_group_members: Annotated[
        OrUnlimited, PerTenant("memberships in groups", requested=False)
    ] = 200_000
    max_pending_deliveries: Annotated[
        OrUnlimited, PerTenant("messages that wait to be delivered", requested=False)
    ] = 10_000
    max_incident_entries: Annotated[
        OrUnlimited, PerTenant("entries in a timeline", requested=False)
    ] = 10_000
    max_idempotency_keys: Annotated[
        OrUnlimited, PerTenant("Idempotency-Keys in 24 hours", requested=False)
    ] = 20_000
    max_push_groups: Annotated[
        OrUnlimited, PerTenant("groups of pushed metrics", requested=False)
    ] = 1_000
    max_push_bytes: Annotated[OrUnlimited, PerTenant()] = 16 << 20
    push_interval_s: Seconds = 30.0
    max_scrape_targets: Annotated[OrUnlimited, PerTenant()] = 10_000
    max_history: Annotated[OrUnlimited, PerTenant()] = 100_000
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
        for name, rule in _RULES:
            if not rule.holds(getattr(self, name)):
                raise ArgumentError(name, rule.message)
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
        if self.write_memory_bytes < self.max_write_bytes:
            raise ArgumentError("write_memory_bytes", "must be at least max_write_bytes")
        self.webhook_schedule()
        self.storage_options()

    def storage_options(self) -> dict[str, Any]:
        """Retention, rollups and the cache, as options of `tsdb.open`."""
        options: dict[str, Any] = {"cache_bytes": self.store_cache_bytes}
        names = {"retention": "retention_ms", "rollup_retention": "rollup_retention_ms"}
        for name, option in names.items():
            text = getattr(self, name)
            options[option] = _positive_ms(name, text) if text else None
        parts = [part.strip() for part in self.rollups.split(",") if part.strip()]
        options["rollups_ms"] = tuple(_positive_ms("rollups", part) for part in parts)
        options["retention_bytes"] = self.retention_bytes or None
        try:
            tsdb.StoreOptions(**options)
        except ValueError as problem:
            raise ArgumentError("retention", str(problem)) from None
        return options

    def within(self, limits: Limits) -> Settings:
        """The settings with the limits of one tenant. Raises `ArgumentError` for invalid ones."""
        chosen: dict[str, Any] = dict(limits)
        return replace(self, **chosen) if chosen else self

    def redacted(self, name: str) -> Any:
        """The value of a setting; `[hidden]` for a secret that is set."""
        value = getattr(self, name)
        return "[hidden]" if value and name in _SECRET else value

    def webhook_schedule(self) -> tuple[timedelta, ...]:
        """The delay after each failed attempt to deliver a message."""
        try:
            waits = [duration_ms(part.strip()) for part in self.webhook_retry_delays.split(",")]
        except ArgumentError as problem:
            raise ArgumentError("webhook_retry_delays", str(problem)) from None
        return tuple(timedelta(milliseconds=wait) for wait in waits)

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str], *, config: Path | None = None, **arguments: Any
    ) -> Settings:
        """Load settings from all sources. Arguments that are not None override `NOVAQL_<NAME>`,
        which overrides the file, which overrides the default.

        config  a TOML file of settings; None: the one that `NOVAQL_CONFIG` names
        """
        file = config or (Path(environ["NOVAQL_CONFIG"]) if environ.get("NOVAQL_CONFIG") else None)
        names = SettingNames()
        chosen = {} if file is None else of_file(file, _TYPES, names)
        given = environment_texts(environ, (*_TYPES, *names.former))
        for name, text in given.items():
            current = names.current(name, f"NOVAQL_{name.upper()}")
            if current is not None:
                chosen[current] = of_environment(name, text, _TYPES[current])
        chosen.update({name: value for name, value in arguments.items() if value is not None})
        return cls(**chosen)


_HINTS = get_type_hints(Settings, include_extras=True)
_TYPES = {
    name: hint.__origin__ if hasattr(hint, "__metadata__") else hint
    for name, hint in _HINTS.items()
}
"""Names of the settings, and their types without the annotations of `Annotated`."""


def _notes(kind: type[Note]) -> list[tuple[str, Note]]:
    """Return the annotations of one kind, with the names of their settings."""
    return [
        (name, note)
        for name, hint in _HINTS.items()
        for note in getattr(hint, "__metadata__", ())
        if isinstance(note, kind)
    ]


_RULES = _notes(Rule)
_PER_TENANT = dict(_notes(PerTenant))
TENANT_LIMITS: Mapping[str, type] = {
    name: hint for name, hint in _TYPES.items() if name in _PER_TENANT
}
"""Settings that `novaql admin limits` can override for a tenant, and their types."""
RESOURCES = {name: note.resources for name, note in _PER_TENANT.items() if note.resources}
"""Settings that limit the resources of a tenant, and what the resources are called."""
REQUESTED = frozenset(name for name in RESOURCES if _PER_TENANT[name].requested)
"""Those of `RESOURCES` that limit resources which requests create."""


def _positive_ms(name: str, text: str) -> int:
    found = duration_ms(text, argument=name)
    if found <= 0:
        raise ArgumentError(name, f"{text!r} must be greater than 0")
    return found
