"""Access to the data of audit entries: a role reads them only if it may read the target."""

from __future__ import annotations

from novaql.server.auth.roles import Role

_READ_BY_ALL = frozenset(
    {
        *("agent", "agent_action", "alert", "alert_routing", "alert_rule", "alert_rule_file"),
        *("channel", "dashboard", "escalation_policy", "incident", "override"),
        *("panel", "runbook", "runbook_run", "runbook_step", "runbook_switch", "samples"),
        *("schedule", "service", "silence", "slo", "synthetic"),
    }
)


def reader_of(target_type: str) -> Role:
    """The lowest role that may read resources of a type. For unlisted types, such as new ones, it
    is the administrator."""
    return Role.READ_ONLY if target_type in _READ_BY_ALL else Role.ADMIN
