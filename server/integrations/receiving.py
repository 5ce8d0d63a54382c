"""Requests to hooks: authentication, deduplication, and what they lead to."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import delete, select

from novaql.fast_dataclass import dataclass
from novaql.server.db.unit import Unit
from novaql.server.errors import InvalidRequest, ServerError, invalid, kind_of
from novaql.server.http.strict_json import check_values, parse_json
from novaql.server.ids import new_id
from novaql.server.integrations.hook_schema import ReceivedOut
from novaql.server.integrations.masking import masked_headers
from novaql.server.integrations.occurrences import report
from novaql.server.integrations.pointers import at_pointer
from novaql.server.integrations.provider import (
    HookCall,
    HookOutcome,
    HookSignature,
    Occurrence,
    Provider,
)
from novaql.server.integrations.providers import provider_named
from novaql.server.integrations.syncs import store
from novaql.server.integrations.tables import HookMessage, HookRequest, IntegrationHook


@dataclass(frozen=True, slots=True)
class Received:
    """A request to a hook. header names are in lower case.

    shown  the beginning of the body for the log, with secrets masked
    """

    hook_id: str
    headers: Mapping[str, str]
    body: bytes
    shown: str = ""


def signature_of(provider: Provider, config: Mapping[str, Any]) -> HookSignature:
    """How requests to a hook are authenticated: as the provider prescribes, or as configured."""
    if provider.hook_signature is not None:
        return provider.hook_signature
    given = config.get("signature") or {}
    return HookSignature(
        given.get("header", "X-Webhook-Token"),
        given.get("type", "token") == "hmac_sha256",
        given.get("prefix", ""),
    )


def is_authentic(signature: HookSignature, secret: str, received: Received) -> bool:
    """Whether the header of a request has the secret, or the HMAC of the body with it."""
    found = received.headers.get(signature.header.lower(), "")
    wanted = f"{signature.prefix}{secret}"
    if signature.hmac:
        digest = hmac.new(secret.encode(), received.body, "sha256").hexdigest()
        found, wanted = found.lower(), f"{signature.prefix}{digest}".lower()
    return hmac.compare_digest(found.encode(), wanted.encode())


def understood(unit: Unit, hook: IntegrationHook, received: Received) -> tuple[HookOutcome, str]:
    """Return what a request reports, and the id of its message. Raises `InvalidRequest`."""
    provider = provider_named(unit.settings, hook.provider)
    body = parse_json(received.body)
    check_values(body)
    key = _message_id(provider, hook.config, received, body)
    outcome = provider.read_hook(HookCall(received.headers, body, hook.config, unit.now()))
    return outcome, key


def take(
    unit: Unit, hook: IntegrationHook, received: Received, outcome: HookOutcome, key: str
) -> ReceivedOut:
    """Store what a request reports, once for each message. The caller has locked the hook."""
    if key and _is_repeated(unit, hook, key):
        found = ReceivedOut(outcome="duplicate", resources=[], incidents=[])
    else:
        rows = store(unit, hook.provider, outcome.resources, None, {})
        incidents = [_opened(unit, hook, one) for one in outcome.occurrences]
        some = bool(outcome.resources or outcome.occurrences)
        found = ReceivedOut(
            outcome="accepted" if some else "ignored",
            resources=[row.id for row in rows],
            incidents=[one for one in incidents if one is not None],
            note=outcome.note,
        )
    log(unit, hook, received, found.outcome, 202, key, ())
    return found


def rejected(unit: Unit, hook: IntegrationHook, received: Received, problem: ServerError) -> None:
    """Record a request that was not accepted."""
    details = [asdict(detail) for detail in problem.details] or [{"message": problem.message}]
    log(unit, hook, received, "rejected", kind_of(problem).status, "", details)


def log(
    unit: Unit,
    hook: IntegrationHook,
    received: Received,
    outcome: str,
    status: int,
    key: str,
    details: Sequence[Any],
) -> None:
    """Add a request to the log of its hook, with secrets masked; the oldest ones are deleted."""
    hook.received += 1
    hook.last_at = unit.now()
    signature = signature_of(provider_named(unit.settings, hook.provider), hook.config)
    unit.session.add(
        HookRequest(
            id=new_id("hrq"),
            hook_id=hook.id,
            number=hook.received,
            at=unit.now(),
            outcome=outcome,
            status=status,
            message_id=key[:255] or None,
            headers=masked_headers(received.headers, signature.header.lower()),
            body=received.shown,
            details=list(details),
        )
    )
    unit.session.execute(
        delete(HookRequest).where(
            HookRequest.hook_id == hook.id,
            HookRequest.number <= hook.received - unit.settings.integration_hook_log,
        )
    )


def _message_id(
    provider: Provider, config: Mapping[str, Any], received: Received, body: Any
) -> str:
    """The id of a message; "": it has none, and is not deduplicated."""
    where = config.get("message_id") or {}
    header = provider.hook_id_header or where.get("header")
    if header is not None:
        found = received.headers.get(header.lower(), "")
        if not found:
            raise InvalidRequest(f"the header {header} with the id of the message is missing")
        return found
    if where.get("pointer") is None:
        return ""
    value = at_pointer(body, where["pointer"])
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise invalid(where["pointer"], "must be the id of the message")
    return str(value)


def _is_repeated(unit: Unit, hook: IntegrationHook, key: str) -> bool:
    """Whether the hook has accepted this message before; if not, note it."""
    digest = sha256(f"{hook.id}\0{key}".encode()).hexdigest()[:48]
    known = select(HookMessage).where(HookMessage.id == f"hmsg_{digest}")
    seen = unit.session.execute(known).scalar_one_or_none()
    since = unit.now() - timedelta(seconds=unit.settings.integration_hook_dedup_s)
    if seen is not None and seen.at > since:
        return True
    if seen is None:
        unit.session.add(HookMessage(id=f"hmsg_{digest}", hook_id=hook.id, at=unit.now()))
    else:
        seen.at = unit.now()
    return False


def _opened(unit: Unit, hook: IntegrationHook, one: Occurrence) -> str | None:
    reporter = {"hook": {"id": hook.id, "name": hook.name}}
    return report(unit, hook.id, one, reporter, f"resolved by the hook {hook.name}")
