"""Who may make requests, and how many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from novaql.server.auth.accounts import Accounts
from novaql.server.auth.rate_limits import Quota, Quotas
from novaql.server.auth.roles import Principal
from novaql.server.auth.starts import Starts
from novaql.server.auth.unknown_clients import UnauthenticatedRateLimit


@dataclass(frozen=True, slots=True)
class Access:
    """What admits requests.

    accounts    finds the principal of a token; None when authentication is off, and every request
                is that of `default_principal`
    quota_plan  the quotas of each kind of endpoint
    strangers   counts requests without a valid token
    starts      the order in which requests begin
    """

    accounts: Accounts | None
    default_principal: Principal
    quotas: Quotas
    quota_plan: Mapping[str, Sequence[Quota]]
    unauthenticated_limit: UnauthenticatedRateLimit
    starts: Starts
