"""The components that authenticate and limit requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from novaql.fast_dataclass import dataclass
from novaql.server.auth.accounts import Accounts
from novaql.server.auth.rate_limits import Quota, Quotas
from novaql.server.auth.roles import Principal
from novaql.server.auth.starts import Starts
from novaql.server.auth.unknown_clients import UnauthenticatedRateLimit


@dataclass(frozen=True, slots=True)
class Access:
    """The components that admission uses.

    accounts               finds the principal of a token; None: authentication is off, and every
                           request has the principal `default_principal`
    quota_plan             the quotas of each kind of endpoint
    unauthenticated_limit  counts requests without a valid token
    starts                 the order in which requests begin
    """

    accounts: Accounts | None
    default_principal: Principal
    quotas: Quotas
    quota_plan: Mapping[str, Sequence[Quota]]
    unauthenticated_limit: UnauthenticatedRateLimit
    starts: Starts
