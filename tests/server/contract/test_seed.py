"""Every endpoint that the API promises is there, but for those that are named as missing."""

from __future__ import annotations

from novaql.server.auth.roles import Role
from novaql.server.routes import ROUTES

PROMISED = """
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

LATER = (
    "/runbooks",
    "/escalation-policies",
    "/synthetics",
)
"""What the server does not have yet: whole domains. This tuple may only become shorter."""


def test_what_is_promised_is_there() -> None:
    here = {f"{method} {e.path.removeprefix('/v1')}" for e in ROUTES for method in e.verbs}
    promised = set(PROMISED.split("\n")) - {""}
    absent = {row for row in promised - here if not row.split()[1].startswith(LATER)}

    assert absent == set()
    assert not {row for row in here & promised if row.split()[1].startswith(LATER)}
    assert len(promised) == 67


ADMIN = ("/users", "/tokens", "/webhooks", "/integrations", "/audit/export", "/scim")


def test_roles_are_those_of_the_contract() -> None:
    promised = set(PROMISED.split("\n")) - {""}
    for endpoint in ROUTES:
        for method in endpoint.verbs:
            path = endpoint.path.removeprefix("/v1")
            if f"{method} {path}" not in promised:
                continue
            wanted = Role.READ_ONLY if method == "GET" or path == "/novaql" else Role.OPERATOR
            if path.startswith(ADMIN):
                wanted = Role.ADMIN
            assert endpoint.role is wanted, f"{method} {path}"
