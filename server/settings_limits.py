"""Settings that a tenant can override."""

from __future__ import annotations

from collections.abc import Mapping

RESOURCE_LIMITS = (
    *("max_rules", "max_rule_groups", "max_silences", "max_channels", "max_webhooks"),
    *("max_dashboards", "max_embeds", "max_tokens", "max_users", "max_user_groups"),
    *("max_services", "max_slos", "max_open_incidents", "max_audit_exports"),
    *("max_former_users", "max_group_members", "max_pending_deliveries", "max_incident_entries"),
    *("max_idempotency_keys", "max_scrape_targets", "max_history"),
)
"""Limits of a tenant's rows or other resources; 0: no limit."""

TENANT_LIMITS: Mapping[str, type] = {
    "query_timeout_s": float,
    "max_query_samples": int,
    "max_query_points": int,
    "max_read_samples": int,
    "max_concurrent_queries": int,
    "min_evaluation_interval_s": float,
    "max_rule_series": int,
    **dict.fromkeys(RESOURCE_LIMITS, int),
    "rate_per_minute": int,
    "rate_per_day": int,
    "prometheus_per_minute": int,
}
"""Settings that `novaql admin limits` can override for a tenant."""
