"""The fields of Prometheus's configuration file, and the type of each."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from novaql.fast_dataclass import dataclass


class Kind(StrEnum):
    """The type of a field. The content of ANY is not checked."""

    TEXT = "text"
    TEXTS = "list of texts"
    DURATION = "duration"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    SIZE = "size"
    TEXT_MAP = "mapping of texts"
    PARAMETERS = "mapping of lists"
    REGEX = "regular expression"
    URL = "URL"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping with known fields; `what` is its name in messages."""

    what: str
    fields: Mapping[str, Spec]


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of items of one type."""

    item: Spec


Spec = Kind | Section | ListOf

T, D, I, N, B = Kind.TEXT, Kind.DURATION, Kind.INTEGER, Kind.NUMBER, Kind.BOOLEAN  # noqa: E741


def _fields(kind: Kind, names: str) -> dict[str, Spec]:
    return dict.fromkeys(names.split(), kind)


TLS = Section(
    "tls_config",
    {
        **_fields(T, "ca ca_file ca_ref cert cert_file cert_ref key key_file key_ref server_name"),
        **_fields(T, "min_version max_version"),
        "insecure_skip_verify": B,
    },
)
BASIC_AUTH = Section(
    "basic_auth",
    _fields(T, "username username_file username_ref password password_file password_ref"),
)
AUTHORIZATION = Section(
    "authorization", _fields(T, "type credentials credentials_file credentials_ref")
)
OAUTH2 = Section(
    "oauth2",
    {
        **_fields(T, "client_id client_secret client_secret_file client_secret_ref token_url"),
        **_fields(
            T, "client_certificate_key_id client_certificate_key client_certificate_key_file"
        ),
        **_fields(T, "client_certificate_key_ref grant_type signature_algorithm iss audience"),
        "claims": Kind.ANY,
        "scopes": Kind.TEXTS,
        "endpoint_params": Kind.TEXT_MAP,
        "tls_config": TLS,
        "proxy_url": Kind.URL,
        "no_proxy": T,
        "proxy_from_environment": B,
        "proxy_connect_header": Kind.ANY,
    },
)
HTTP_CLIENT: dict[str, Spec] = {
    "basic_auth": BASIC_AUTH,
    "authorization": AUTHORIZATION,
    "oauth2": OAUTH2,
    "tls_config": TLS,
    "http_headers": Kind.ANY,
    "proxy_url": Kind.URL,
    "no_proxy": T,
    "proxy_connect_header": Kind.ANY,
    **_fields(T, "bearer_token bearer_token_file"),
    **_fields(B, "follow_redirects enable_http2 proxy_from_environment"),
}
RELABEL = Section(
    "a relabelling",
    {
        "source_labels": Kind.TEXTS,
        "regex": Kind.REGEX,
        "modulus": I,
        **_fields(T, "separator target_label replacement action"),
    },
)
STATIC = Section("a static target group", {"targets": Kind.TEXTS, "labels": Kind.TEXT_MAP})
FILE_SD = Section("file_sd_config", {"files": Kind.TEXTS, "refresh_interval": D})
HTTP_SD = Section("http_sd_config", {"url": Kind.URL, "refresh_interval": D, **HTTP_CLIENT})
DNS_SD = Section(
    "dns_sd_config", {"names": Kind.TEXTS, "refresh_interval": D, "type": T, "port": I}
)
OPAQUE_DISCOVERIES = [
    "aws",
    "azure",
    "consul",
    "digitalocean",
    "docker",
    "dockerswarm",
    "ec2",
    "eureka",
    "gce",
    "hetzner",
    "ionos",
    "kubernetes",
    "kuma",
    "lightsail",
    "linode",
    "marathon",
    "nerve",
    "nomad",
    "openstack",
    "outscale",
    "ovhcloud",
    "puppetdb",
    "scaleway",
    "serverset",
    "stackit",
    "triton",
    "uyuni",
    "vultr",
]
"""Kinds of service discovery whose fields are not checked."""

DISCOVERIES: dict[str, Spec] = {
    "static_configs": ListOf(STATIC),
    "file_sd_configs": ListOf(FILE_SD),
    "http_sd_configs": ListOf(HTTP_SD),
    "dns_sd_configs": ListOf(DNS_SD),
    **{f"{name}_sd_configs": ListOf(Kind.ANY) for name in OPAQUE_DISCOVERIES},
}
SCRAPE_LIMITS: dict[str, Spec] = {
    **_fields(I, "sample_limit target_limit label_limit label_name_length_limit"),
    **_fields(I, "label_value_length_limit keep_dropped_targets"),
    "body_size_limit": Kind.SIZE,
}
SCRAPE_SHARED: dict[str, Spec] = {
    **SCRAPE_LIMITS,
    **_fields(D, "scrape_interval scrape_timeout"),
    "scrape_protocols": Kind.TEXTS,
    **_fields(T, "scrape_failure_log_file metric_name_validation_scheme"),
    "metric_name_escaping_scheme": T,
    **_fields(B, "always_scrape_classic_histograms convert_classic_histograms_to_nhcb"),
    **_fields(B, "scrape_native_histograms extra_scrape_metrics"),
}
SCRAPE = Section(
    "a scrape configuration",
    {
        **SCRAPE_SHARED,
        **HTTP_CLIENT,
        **DISCOVERIES,
        **_fields(T, "job_name metrics_path scheme fallback_scrape_protocol"),
        **_fields(B, "honor_labels honor_timestamps track_timestamps_staleness"),
        **_fields(B, "scrape_classic_histograms enable_compression"),
        "params": Kind.PARAMETERS,
        "native_histogram_bucket_limit": I,
        "native_histogram_min_bucket_factor": N,
        "relabel_configs": ListOf(RELABEL),
        "metric_relabel_configs": ListOf(RELABEL),
    },
)
SIGV4 = Section(
    "sigv4",
    {
        **_fields(T, "region access_key secret_key profile role_arn external_id"),
        **_fields(B, "use_fips_sts_endpoint"),
        "service_name": T,
    },
)
ALERTMANAGER = Section(
    "an alertmanager configuration",
    {
        **HTTP_CLIENT,
        **DISCOVERIES,
        **_fields(T, "scheme path_prefix api_version"),
        "timeout": D,
        "sigv4": SIGV4,
        "relabel_configs": ListOf(RELABEL),
        "alert_relabel_configs": ListOf(RELABEL),
    },
)
QUEUE = Section(
    "queue_config",
    {
        **_fields(I, "capacity max_shards min_shards max_samples_per_send"),
        **_fields(D, "batch_send_deadline min_backoff max_backoff sample_age_limit"),
        "retry_on_http_429": B,
    },
)
REMOTE_WRITE = Section(
    "a remote write",
    {
        **HTTP_CLIENT,
        **_fields(T, "name protobuf_message"),
        "url": Kind.URL,
        "remote_timeout": D,
        "headers": Kind.TEXT_MAP,
        "write_relabel_configs": ListOf(RELABEL),
        **_fields(B, "send_exemplars send_native_histograms round_robin_dns"),
        "queue_config": QUEUE,
        "metadata_config": Section(
            "metadata_config",
            {"send": B, "send_interval": D, "max_samples_per_send": I},
        ),
        "sigv4": SIGV4,
        "azuread": Kind.ANY,
        "google_iam": Kind.ANY,
    },
)
REMOTE_READ = Section(
    "a remote read",
    {
        **HTTP_CLIENT,
        "name": T,
        "url": Kind.URL,
        "remote_timeout": D,
        "headers": Kind.TEXT_MAP,
        "required_matchers": Kind.TEXT_MAP,
        **_fields(B, "read_recent filter_external_labels"),
    },
)
GLOBAL = Section(
    "global",
    {
        **SCRAPE_SHARED,
        **_fields(D, "evaluation_interval rule_query_offset"),
        "external_labels": Kind.TEXT_MAP,
        **_fields(T, "query_log_file"),
        "runtime": Section("runtime", {"gogc": I}),
    },
)
STORAGE = Section(
    "storage",
    {
        "tsdb": Section(
            "tsdb",
            {
                "out_of_order_time_window": D,
                "stale_series_compaction_threshold": N,
                "retention": Section("retention", {"time": D, "size": Kind.SIZE, "percentage": N}),
            },
        ),
        "exemplars": Section("exemplars", {"max_exemplars": I}),
    },
)
TRACING = Section(
    "tracing",
    {
        **_fields(T, "client_type endpoint compression"),
        "sampling_fraction": N,
        "insecure": B,
        "tls_config": TLS,
        "headers": Kind.TEXT_MAP,
        "timeout": D,
    },
)
OTLP = Section(
    "otlp",
    {
        **_fields(Kind.TEXTS, "promote_resource_attributes ignore_resource_attributes"),
        "translation_strategy": T,
        **_fields(B, "promote_all_resource_attributes keep_identifying_resource_attributes"),
        **_fields(B, "convert_histograms_to_nhcb promote_scope_metadata"),
        **_fields(B, "label_name_underscore_sanitization label_name_preserve_multiple_underscores"),
    },
)
CONFIG = Section(
    "the configuration",
    {
        "global": GLOBAL,
        "runtime": Section("runtime", {"gogc": I}),
        "alerting": Section(
            "alerting",
            {
                "alert_relabel_configs": ListOf(RELABEL),
                "alertmanagers": ListOf(ALERTMANAGER),
            },
        ),
        "rule_files": Kind.TEXTS,
        "scrape_config_files": Kind.TEXTS,
        "scrape_configs": ListOf(SCRAPE),
        "storage": STORAGE,
        "tracing": TRACING,
        "remote_write": ListOf(REMOTE_WRITE),
        "remote_read": ListOf(REMOTE_READ),
        "otlp": OTLP,
    },
)
SCRAPE_CONFIG_FILE = Section("a file of scrape configurations", {"scrape_configs": ListOf(SCRAPE)})
