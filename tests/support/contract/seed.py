"""The endpoints that the first description of the API promises: method and path below `/v1`."""

from __future__ import annotations

_ROWS = """
GET /incidents
POST /incidents
GET /incidents/{id}
POST /incidents/{id}/ack
POST /incidents/{id}/resolve
GET /incidents/{id}/timeline
GET /incidents/{id}/postmortem
POST /incidents/{id}/comments
GET /alerts
GET /alerts/{id}
POST /alerts/{id}/silence
DELETE /alerts/{id}/silence
POST /alerts/{id}/notify
GET /alert-rules
POST /alert-rules
GET /services
POST /services
GET /services/{name}
GET /services/{name}/health
GET /services/{name}/dependencies
GET /slo
GET /slo/{service}
POST /slo/{service}
GET /runbooks
POST /runbooks
POST /runbooks/{id}/run
GET /runbooks/{id}/runs
GET /agents
GET /agents/{id}
POST /agents/{id}/actions
GET /agents/{id}/audit
GET /oncall
GET /oncall/schedules
POST /oncall/schedules
POST /oncall/overrides
GET /escalation-policies
POST /escalation-policies
GET /synthetics
POST /synthetics
GET /synthetics/{id}/results
POST /synthetics/{id}/run
DELETE /synthetics/{id}
GET /audit
GET /audit/{id}
POST /audit/export
GET /webhooks
POST /webhooks
POST /webhooks/{id}/rotate-secret
POST /webhooks/{id}/test
DELETE /webhooks/{id}
GET /users
POST /users
DELETE /users/{id}
GET /tokens
POST /tokens/{id}/rotate
GET /scim/v2/ServiceProviderConfig
GET /dashboards
POST /dashboards
GET /dashboards/{id}
POST /novaql
GET /panels/{id}/data
GET /integrations
POST /integrations/{provider}/connect
POST /integrations/{provider}/test
POST /integrations/{provider}/sync
GET /integrations/{provider}/status
DELETE /integrations/{provider}
"""

PROMISED = frozenset(_ROWS.split("\n")) - {""}


def promised(*prefixes: str) -> set[str]:
    """The endpoints whose path begins with a prefix."""
    return {row for row in PROMISED if row.split()[1].startswith(prefixes)}
