"""What a role reads of an entry: a resource's data only if the role may read the resource."""

from __future__ import annotations

from novaql.server.auth.roles import Role

_READ_BY_ALL = frozenset(
    {
        *("alert", "alert_routing", "alert_rule", "alert_rule_file", "channel", "dashboard"),
        *("incident", "panel", "samples", "service", "silence", "slo"),
    }
)


def reader_of(target_type: str) -> Role:
    """The lowest role that reads resources of a type. Types that are not listed are for
    administrators: a new one shows nothing by mistake."""
    return Role.READ_ONLY if target_type in _READ_BY_ALL else Role.ADMIN
