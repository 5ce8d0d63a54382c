"""Delivery of pages, with retries.

An attempt begins with a transaction that locks the incident and checks that it is not acknowledged.
If the process dies after it sends a page and before it commits the result, the next attempt sends
the page again with the same id, in `webhook-id` or Message-ID. A sink is in the database.
"""

from __future__ import annotations

from dataclasses import field
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from novaql.fast_dataclass import dataclass
from novaql.server.auth.user_access import DEACTIVATED
from novaql.server.clock import rfc3339
from novaql.server.contacts import service as contacts
from novaql.server.contacts.tables import ContactMethod
from novaql.server.crypto.sealing import CannotUnseal
from novaql.server.db.tables import User
from novaql.server.db.unit import Unit
from novaql.server.escalation.model import PageStatus
from novaql.server.escalation.runs import answered, locked
from novaql.server.escalation.tables import MAIL, Page
from novaql.server.incidents.model import Status
from novaql.server.jobs.job import JobRun
from novaql.server.notifications.delivery import WAITS_S, all_secrets, post_json
from novaql.server.notifications.lookup import mail_channel
from novaql.server.notifications.mail import NotDelivered, send_mail
from novaql.server.notifications.messages import Text, mail_message, slack_message
from novaql.server.notifications.tables import Channel
from novaql.server.tenants.context import ServerContext


@dataclass(frozen=True, slots=True)
class Receiver:
    """The destination of a page, with the unsealed secrets. `problem`: why it cannot be sent."""

    type: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    problem: str | None = None


def deliver(job: JobRun) -> None:
    """Attempt to deliver the page whose id is the job's key."""
    with job.note() as unit:
        page = _begun(unit, job.key)
        receiver = None if page is None else _receiver(unit, page)
    if page is None or receiver is None:
        return
    problem: NotDelivered | None = None
    note = ""
    try:
        note = send(job.context, page, receiver)
    except NotDelivered as found:
        problem = found
    lasting = problem is not None and (problem.lasting or page.attempts > len(WAITS_S))
    again_at = None
    if problem is not None and not lasting:
        wait_s = WAITS_S[min(page.attempts, len(WAITS_S)) - 1]
        again_at = job.context.clock.now() + timedelta(seconds=wait_s)
    with job.finish(again_at=again_at) as unit:
        current = unit.find(Page, page.id, lock=True)
        if current is None or current.status not in (PageStatus.PENDING, PageStatus.CANCELLED):
            return
        _record(unit, current, problem, note, lasting=lasting)


def send(context: ServerContext, page: Page, receiver: Receiver) -> str:
    """Send a page. Returns a note if a mail server refused some recipients. Raises
    `NotDelivered`."""
    if receiver.problem is not None:
        raise NotDelivered(receiver.problem, lasting=True)
    url = context.settings.public_url
    match receiver.type:
        case "webhook":
            headers = {"webhook-id": page.id, "X-Notification-Id": page.id}
            post_json(context.dialer, receiver.secrets, webhook_body(page, url), headers)
        case "slack":
            body = slack_message(text_of(page), receiver.settings, url, color="danger")
            post_json(context.dialer, receiver.secrets, body, {"webhook-id": page.id})
        case "email":
            mail = mail_message(text_of(page), receiver.settings)
            return send_mail(context, receiver.settings, receiver.secrets, mail)
        case _:
            pass  # a sink
    return ""


def text_of(page: Page) -> Text:
    """A page as text for mail and Slack."""
    content = page.content
    lines = [f"incident {page.incident_id} ({content['severity']})"]
    if content["services"]:
        lines.append(f"services: {', '.join(content['services'])}")
    if content["description"]:
        lines.append(content["description"])
    lines.append(f"step {page.step + 1} of {content['policy']}, for {page.target_name}")
    title = f"[{content['severity'].upper()}] {content['title']}"
    return Text(page.id, title, lines, page.created_at)


def webhook_body(page: Page, public_url: str) -> dict[str, Any]:
    """A page as the body for a webhook."""
    content = dict(page.content)
    policy = content.pop("policy")
    return {
        "type": "page",
        "page": {
            "id": page.id,
            "at": rfc3339(page.created_at),
            "policy": policy,
            "cycle": page.cycle,
            "step": page.step,
            "target": {"type": page.target_type, "id": page.target_id, "name": page.target_name},
        },
        "incident": {"id": page.incident_id, **content},
        "url": public_url,
    }


def _begun(unit: Unit, page_id: str) -> Page | None:
    """Begin an attempt. None, and the page is cancelled, if the incident was acknowledged."""
    wanted = select(Page.run_id).where(Page.id == page_id)
    run_id = unit.session.execute(wanted).scalar_one_or_none()
    found = None if run_id is None else locked(unit, run_id)
    page = None if found is None else unit.find(Page, page_id, lock=True)
    if found is None or page is None or page.status != PageStatus.PENDING.value:
        return None
    run, incident = found
    unit.touch(page)
    own = any(one.user_id == page.target_id for one in incident.acknowledgers)
    if incident.status == Status.RESOLVED.value:
        page.status, page.reason = PageStatus.CANCELLED.value, "resolved"
    elif answered(run, incident) or own:
        page.status, page.reason = PageStatus.CANCELLED.value, "acknowledged"
    else:
        page.attempts += 1
        page.attempted_at = unit.now()
        return page
    return None


def _receiver(unit: Unit, page: Page) -> Receiver:
    try:
        return _found_receiver(unit, page)
    except CannotUnseal:
        return Receiver(problem="its secrets cannot be unsealed")


def _found_receiver(unit: Unit, page: Page) -> Receiver:
    if page.target_type == "channel":
        channel = unit.find(Channel, page.target_id)
        if channel is None:
            return Receiver(problem="the channel was deleted")
        return Receiver(channel.type, channel.settings, all_secrets(unit, channel))
    user = unit.find(User, page.target_id)
    if user is None or user.status == DEACTIVATED:
        return Receiver(problem="the user was deactivated")
    if page.method_id == MAIL:
        return _mail(unit, user.email)
    method = unit.find(ContactMethod, page.method_id)
    if method is None:
        return Receiver(problem="the contact method was deleted")
    if method.type == "email":
        return _mail(unit, method.settings.get("address") or user.email)
    return Receiver(method.type, method.settings, contacts.secrets_of(unit, method))


def _mail(unit: Unit, address: str) -> Receiver:
    """The mail server of the tenant, with the address of a contact method or of the user."""
    channel = mail_channel(unit)
    if channel is None:
        return Receiver(problem="there is no notification channel of type email")
    settings = {**channel.settings, "to": [address]}
    return Receiver("email", settings, all_secrets(unit, channel))


def _record(
    unit: Unit, page: Page, problem: NotDelivered | None, note: str, *, lasting: bool
) -> None:
    """Record the outcome of an attempt. A page that was cancelled meanwhile may have been sent."""
    unit.touch(page)
    event = None
    if problem is None:
        page.status, page.reason, page.sent_at = PageStatus.SENT.value, note or None, unit.now()
        event = "page.sent"
    elif page.status == PageStatus.PENDING.value:
        page.reason = str(problem)[:2000]
        if lasting:
            page.status, event = PageStatus.FAILED.value, "page.failed"
    if event is not None:
        target = {"type": page.target_type, "id": page.target_id, "name": page.target_name}
        data = {"id": page.id, "incident_id": page.incident_id, "target": target}
        unit.publish(event, {**data, "attempts": page.attempts, "reason": page.reason})
