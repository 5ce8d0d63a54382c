"""Delivery of messages. Each message is a leased job, so that a killed server loses none.

After a kill the server may repeat an attempt, with the same `webhook-id`. Receivers use this id to
drop duplicates.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime

from sqlalchemy import delete, update

from novaql.fast_dataclass import dataclass
from novaql.server.clock import rfc3339
from novaql.server.crypto.redaction import without_secrets
from novaql.server.crypto.signatures import headers
from novaql.server.db.unit import Unit
from novaql.server.egress.outgoing import HttpAttempt, post
from novaql.server.ids import new_id
from novaql.server.jobs.runner import JobKind, JobRun
from novaql.server.tenants.context import ServerContext
from novaql.server.webhooks.messages import JOB
from novaql.server.webhooks.retries import Verdict, next_attempt, verdict
from novaql.server.webhooks.secrets import shown_url_of, url_of, valid_secrets
from novaql.server.webhooks.tables import Webhook, WebhookAttempt, WebhookDelivery

MOST_ATTEMPTS = 100
"""The most attempts that the log retains for a message; older ones are deleted."""

AGENT = "NovaQL-Webhooks/1"


@dataclass(frozen=True, slots=True)
class Sending:
    """The request of one attempt. `at` is the signed time."""

    url: str
    body: bytes
    headers: dict[str, str]
    at: datetime


def prepared(unit: Unit, webhook: Webhook, delivery: WebhookDelivery) -> Sending:
    """Sign a message now, with every secret that is valid now."""
    now, body = unit.now(), delivery.body.encode()
    signed = headers(delivery.id, int(now.timestamp()), body, valid_secrets(unit, webhook))
    more = {"Content-Type": "application/json", "User-Agent": AGENT}
    return Sending(url_of(unit, webhook), body, {**signed, **more}, now)


def send(context: ServerContext, sending: Sending) -> HttpAttempt:
    """Make one attempt, outside of any transaction. The excerpt of its answer has no part of the
    URL."""
    timeout_s = context.settings.webhook_timeout_s
    found = post(context.dialer, sending.url, sending.body, sending.headers, timeout_s=timeout_s)
    return replace(found, excerpt=without_secrets(found.excerpt, {"url": sending.url}))


def record(
    unit: Unit, webhook: Webhook, delivery: WebhookDelivery, at: datetime, attempt: HttpAttempt
) -> None:
    """Add an attempt to the log."""
    delivery.attempts += 1
    if delivery.attempts > MOST_ATTEMPTS:
        unit.session.execute(
            delete(WebhookAttempt).where(
                WebhookAttempt.delivery_id == delivery.id,
                WebhookAttempt.number <= delivery.attempts - MOST_ATTEMPTS,
            )
        )
    delivery.last_status_code, delivery.last_error = attempt.status, attempt.error
    unit.session.add(
        WebhookAttempt(
            id=new_id("att"),
            delivery_id=delivery.id,
            number=delivery.attempts,
            at=at,
            status_code=attempt.status,
            error=attempt.error,
            latency_ms=attempt.latency_ms,
            excerpt=attempt.excerpt,
        )
    )
    webhook.last_delivery = {
        "delivery_id": delivery.id,
        "at": rfc3339(at),
        "status": "delivered" if attempt.delivered else "failed",
        "status_code": attempt.status,
        "error": attempt.error,
    }
    unit.touch(delivery)


def disable(unit: Unit, webhook: Webhook, reason: str) -> None:
    """Disable an endpoint until a user enables it. Its pending messages become dead letters. The
    caller records the change."""
    webhook.status, webhook.disabled_reason = "disabled", reason
    webhook.disabled_at = unit.now()
    unit.session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.webhook_id == webhook.id, WebhookDelivery.status == "pending")
        .values(status="dead", reason="disabled", next_at=None, updated_at=unit.now())
    )
    url = shown_url_of(unit, webhook)
    unit.publish("webhook.disabled", {"id": webhook.id, "url": url, "reason": reason})


def _give_up(unit: Unit, webhook: Webhook, reason: str) -> None:
    before = _state(webhook)
    disable(unit, webhook, reason)
    unit.record(webhook, "webhook.disable", before, _state)


def _state(webhook: Webhook) -> dict[str, str | None]:
    return {"status": webhook.status, "disabled_reason": webhook.disabled_reason}


def _deliver(job: JobRun) -> None:
    with job.read() as unit:
        delivery = unit.find(WebhookDelivery, job.key)
        webhook = None if delivery is None else unit.find(Webhook, delivery.webhook_id)
        if delivery is None or webhook is None or delivery.status != "pending":
            return
        sending = None if webhook.status == "disabled" else prepared(unit, webhook, delivery)
        tries = delivery.tries
    if sending is None:
        _end_unsent(job)
        return
    settings = job.context.settings
    attempt = send(job.context, sending)
    outcome = verdict(attempt.status)
    again_at = None
    if outcome is Verdict.FAILED:
        again_at = next_attempt(
            tries + 1,
            job.context.clock.now(),
            random.random(),  # noqa: S311 - jitter, no secret
            attempt.retry_after,
            settings.webhook_schedule(),
        )
    _settle(job, sending.at, attempt, outcome, again_at)


def _settle(
    job: JobRun, at: datetime, attempt: HttpAttempt, outcome: Verdict, again_at: datetime | None
) -> None:
    """Record an attempt and its consequences in the transaction that finishes the job."""
    with job.finish(again_at=again_at) as unit:
        webhook_id = str(job.payload.get("webhook_id", ""))
        webhook = unit.find(Webhook, webhook_id, lock=True)  # lock order: before its messages
        delivery = unit.find(WebhookDelivery, job.key, lock=True)
        if webhook is None or delivery is None:
            return
        record(unit, webhook, delivery, at, attempt)
        if outcome is Verdict.DELIVERED:
            delivery.status, delivery.reason = "delivered", None
            delivery.delivered_at, delivery.next_at = at, None
            webhook.failing_since, webhook.last_success_at = None, at
            return
        delivery.tries += 1
        webhook.failing_since = webhook.failing_since or at
        if delivery.status != "pending":  # the webhook was disabled during the attempt
            return
        delivery.next_at = again_at
        if again_at is not None and webhook.status == "active":
            return
        delivery.status, delivery.next_at = "dead", None
        delivery.reason = "gone" if outcome is Verdict.DISABLED else "exhausted"
        if webhook.status == "disabled":
            return
        silent = webhook.last_success_at is None or webhook.last_success_at < delivery.since
        if outcome is Verdict.DISABLED:
            _give_up(unit, webhook, "gone")
        elif silent:
            _give_up(unit, webhook, "failing")


def _end_unsent(job: JobRun) -> None:
    with job.finish() as unit:
        delivery = unit.find(WebhookDelivery, job.key, lock=True)
        if delivery is not None and delivery.status == "pending":
            delivery.status, delivery.reason, delivery.next_at = "dead", "disabled", None
            unit.touch(delivery)


DELIVERIES = JobKind(JOB, _deliver, lane="webhook_id", lane_width=2, waits=True)
