"""Jobs of integrations: syncs, and polls of the device flow."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import orjson

from novaql import QueryCancelled
from novaql.fast_dataclass import dataclass
from novaql.server.db.tables import User
from novaql.server.db.unit import Unit
from novaql.server.errors import ServerError
from novaql.server.integrations.connecting import (
    DEVICE,
    Connection,
    Pending,
    complete,
    end_pending,
    may_finish,
    pending_of,
    without_sync,
)
from novaql.server.integrations.credentials import Credentials
from novaql.server.integrations.imports import with_imports
from novaql.server.integrations.link import AccountLink, exchange_of
from novaql.server.integrations.oauth import (
    SLOWER_S,
    USUAL_INTERVAL_S,
    Refused,
    Tokens,
    poll_device,
)
from novaql.server.integrations.provider import (
    KINDS,
    MOST_IN_PAGE,
    NOT_UNDERSTOOD,
    Flow,
    Provider,
    ProviderFault,
    Reason,
    SyncPage,
)
from novaql.server.integrations.providers import provider_named
from novaql.server.integrations.syncs import (
    SYNC,
    cancel_sync,
    end_sync,
    new_sync,
    next_sync,
    store,
    vanish,
)
from novaql.server.integrations.tables import Integration, IntegrationSync
from novaql.server.jobs.job import backoff
from novaql.server.jobs.runner import JobKind, JobRun

_LASTING = frozenset({Reason.UNAUTHORIZED, Reason.FORBIDDEN_SCOPE, Reason.BLOCKED})
"""Reasons for which another attempt would fail, too."""
_LONGEST_CURSOR = 8192
"""Size limit of a provider's cursor, in characters."""


@dataclass(frozen=True, slots=True)
class _Running:
    """The sync of a job: its cursor, and number of pages, after the last stored page."""

    sync_id: str
    cursor: str | None
    pages: int


def _sync(job: JobRun) -> None:
    """Read all pages that follow the last stored one; store each, the last one with the end."""
    provider, begun = _begun(job)
    if provider is None or begun is None:
        with job.finish():
            return
    running, most = begun, job.context.settings.integration_max_pages
    try:
        link = AccountLink(job.context, provider, job.key, cancellation=job.cancellation)
        while (page := _read(provider, link, running, most)).more:
            running = _stored(job, running, page)
        _complete(job, provider, running, page)
    except ProviderFault as fault:
        _failed(job, running, fault)
    except (*NOT_UNDERSTOOD, ServerError) as problem:
        text = f"the answer cannot be read: {type(problem).__name__}"
        _failed(job, running, ProviderFault(Reason.PROVIDER_ERROR, text))
    except QueryCancelled:  # the server stops, or this run was long: another one continues
        if running is begun:
            _failed(job, running, ProviderFault(Reason.TIMEOUT, "a page was not read in one run"))
            return
        with job.finish(again_at=job.context.clock.now()):
            return


def _begun(job: JobRun) -> tuple[Provider | None, _Running | None]:
    """Begin the queued sync, continue one whose process was killed, or begin a scheduled one. A
    connection that needs its user again has no syncs."""
    with job.note() as unit:
        row = unit.find(Integration, job.key, lock=True)
        if row is None or row.status != "connected" or row.credentials is None:
            if row is not None:
                cancel_sync(unit, row)
            return None, None
        provider = provider_named(unit.settings, row.provider)
        sync = None if row.sync_id is None else unit.find(IntegrationSync, row.sync_id, lock=True)
        if sync is None:
            sync = new_sync(unit, row, "schedule")
        if sync.status == "queued":
            sync.status, sync.began_at = "running", unit.now()
            unit.touch(sync)
        return provider, _Running(sync.id, sync.cursor, sync.pages)


def _read(provider: Provider, link: AccountLink, running: _Running, most: int) -> SyncPage:
    """Read the next page. Raises `ProviderFault`."""
    if running.pages >= most:
        raise ProviderFault(Reason.PROVIDER_ERROR, f"there are more than {most} pages")
    return _checked(provider, provider.sync(link, running.cursor))


def _stored(job: JobRun, running: _Running, page: SyncPage) -> _Running:
    """Store a page and its cursor in one transaction, after which a killed sync resumes."""
    with job.note() as unit:
        row, sync = _own(unit, job.key, running.sync_id)
        if row is None or sync is None:
            raise ProviderFault(Reason.PROVIDER_ERROR, "the integration is disconnected")
        _add(unit, row, sync, page)
        sync.tries = 0
        return _Running(sync.id, sync.cursor, sync.pages)


def _complete(job: JobRun, provider: Provider, running: _Running, page: SyncPage) -> None:
    """Store the last page, and end the sync."""
    with job.finish(again_at=_next_run(job)) as unit:
        row, sync = _own(unit, job.key, running.sync_id)
        if row is None or sync is None:
            return
        _add(unit, row, sync, page)
        row.cursor = page.cursor
        if sync.whole:
            vanish(unit, provider, sync)
        end_sync(unit, row, sync, None)


def _add(unit: Unit, row: Integration, sync: IntegrationSync, page: SyncPage) -> None:
    counts = dict(sync.counts)
    store(unit, row.provider, with_imports(unit, row, page), sync.id, counts)
    sync.counts, sync.cursor, sync.pages = counts, page.cursor, sync.pages + 1
    unit.touch(sync)


def _checked(provider: Provider, page: SyncPage) -> SyncPage:
    """Return the page. Raises `ProviderFault` if it violates the contract of `Provider`."""
    if len(page.resources) > MOST_IN_PAGE:
        raise ProviderFault(Reason.PROVIDER_ERROR, f"a page has more than {MOST_IN_PAGE} resources")
    unknown = {one.kind for one in page.resources} - set(KINDS)
    if unknown:
        raise ProviderFault(Reason.PROVIDER_ERROR, f"unknown kinds {', '.join(sorted(unknown))}")
    if page.cursor is not None and len(page.cursor) > _LONGEST_CURSOR:
        raise ProviderFault(Reason.PROVIDER_ERROR, "the cursor is too long")
    if not all(_is_sound(one) for one in page.resources):
        raise ProviderFault(Reason.PROVIDER_ERROR, f"a resource of {provider.name} has no id")
    return page


def _is_sound(resource: Any) -> bool:
    """Whether the fields of a resource have their types, which may differ from those of `Resource`:
    a provider copies them from JSON. Raises `TypeError` if `data` is not JSON."""
    texts = (resource.external_id, resource.name, resource.service or "", resource.url or "")
    dated = resource.at is None or isinstance(resource.at, datetime)
    orjson.dumps(resource.data)
    return bool(resource.external_id) and dated and all(isinstance(text, str) for text in texts)


def _failed(job: JobRun, running: _Running, fault: ProviderFault) -> None:
    """Try the page again later, or end the sync after a lasting fault or too many attempts."""
    with job.read() as unit:
        sync = unit.find(IntegrationSync, running.sync_id)
        tries = 1 if sync is None else sync.tries + 1
    lasting = fault.reason in _LASTING or tries >= job.context.settings.integration_sync_tries
    least = job.context.clock.now() + timedelta(seconds=fault.retry_after_s or 0.0)
    again = _next_run(job) if lasting else job.context.clock.now() + backoff(tries)
    if again is not None:
        again = max(again, least)
    with job.finish(again_at=again) as unit:
        row, sync = _own(unit, job.key, running.sync_id)
        if row is None or sync is None:
            return
        sync.tries = tries
        if lasting:
            end_sync(unit, row, sync, fault)
        else:
            sync.fault = {"reason_code": fault.reason.value, "detail": fault.detail}
            unit.touch(sync)


def _own(
    unit: Unit, key: str, sync_id: str
) -> tuple[Integration, IntegrationSync] | tuple[None, None]:
    """Lock and return the rows of a sync; None if it was cancelled."""
    row = unit.find(Integration, key, lock=True)
    sync = unit.find(IntegrationSync, sync_id, lock=True)
    if row is None or sync is None or row.sync_id != sync_id:
        return None, None
    return row, sync


def _next_run(job: JobRun) -> datetime | None:
    """The time of the next scheduled sync."""
    with job.read() as unit:
        return next_sync(unit)


def _poll(job: JobRun) -> None:
    """Poll the device flow once, unless it has expired. `slow_down` lengthens the interval. A code
    flow only expires."""
    with job.read() as unit:
        row = unit.find(Integration, job.key)
        pending = None if row is None else pending_of(unit, row)
        if row is None or pending is None or row.pending_until is None:
            return
        provider = provider_named(unit.settings, row.provider)
        sealed, interval = row.pending, row.interval_s or USUAL_INTERVAL_S
        until, expired = row.pending_until, row.pending_until <= unit.now()
    if expired:
        _end_flow(job, sealed, "expired")
        return
    if pending.device_code is None:
        with job.finish(again_at=until):
            return
    settings = provider.Settings.model_validate(pending.settings)
    try:
        tokens = poll_device(
            exchange_of(job.context),
            provider.oauth(settings),
            pending.device_code,
            job.context.clock.now(),
        )
    except Refused as problem:
        _after_error(job, sealed, interval, until, problem)
    except ProviderFault as fault:  # RFC 8628: after a timeout, poll less often
        wait = max(interval * 2, fault.retry_after_s or 0.0)
        _poll_again(job, sealed, wait, interval, until)
    else:
        _finish_device(job, provider, sealed, pending, tokens)


def _after_error(
    job: JobRun, sealed: str | None, interval: float, until: datetime, problem: Refused
) -> None:
    if problem.error == "authorization_pending":
        _poll_again(job, sealed, interval, interval, until)
    elif problem.error == "slow_down":
        slower = max(interval + SLOWER_S, problem.interval_s or 0.0)
        _poll_again(job, sealed, slower, slower, until)
    elif problem.error == "expired_token":
        _end_flow(job, sealed, "expired")
    else:  # access_denied, or an error that another poll does not change
        _end_flow(job, sealed, "denied")


def _poll_again(
    job: JobRun, sealed: str | None, wait: float, interval: float, until: datetime
) -> None:
    """Poll after a wait; at the end of the flow, the job only ends it."""
    again = min(job.context.clock.now() + timedelta(seconds=wait), until)
    with job.finish(again_at=again) as unit:
        row = unit.find(Integration, job.key, lock=True)
        if row is not None and row.pending == sealed:
            row.interval_s = interval


def _end_flow(job: JobRun, sealed: str | None, status: str) -> None:
    with job.finish() as unit:
        row = unit.find(Integration, job.key, lock=True)
        if row is not None and row.pending == sealed:
            _failed_flow(unit, row, status)


def _failed_flow(unit: Unit, row: Integration, status: str) -> None:
    end_pending(unit, row, status)
    unit.publish("integration.connect_failed", {"provider": row.provider, "reason": status})


def _finish_device(
    job: JobRun, provider: Provider, sealed: str | None, pending: Pending, tokens: Tokens
) -> None:
    with job.finish() as unit:
        found = unit.find(Integration, job.key)  # a new flow waits for this job's row
        if found is None or found.pending != sealed:
            return
        if not may_finish(job.context, found, unit.find(User, found.pending_user or "")):
            _failed_flow(unit, found, "denied")
            return
        row = without_sync(unit, job.key)
        assert row is not None
        credentials = Credentials(pending.settings).with_tokens(tokens)
        connection = Connection(provider, Flow.DEVICE, credentials, pending.public)
        user_id = row.pending_user or ""
        complete(unit, row, connection, user_id=user_id, action="integration.authorize")


SYNCS = JobKind(SYNC, _sync, waits=True)
DEVICES = JobKind(DEVICE, _poll, longest=timedelta(minutes=2), waits=True)
