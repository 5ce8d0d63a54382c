"""Runs a probe: its attempts, its timeout, and an outcome for every failure."""

from __future__ import annotations

import functools
import ssl
import time
from pathlib import Path
from threading import Event

import httpx

from novaql.server.egress.dialer import Dialer
from novaql.server.egress.errors import TargetNotAllowed, Unreachable
from novaql.server.errors import Impossible
from novaql.server.probes.browser_check import check_browser, slot
from novaql.server.probes.deadline import (
    Deadline,
    ProbeCancelled,
    ProbeFailure,
    RunnerUnavailable,
)
from novaql.server.probes.http_check import check_http, new_seen, outcome_of
from novaql.server.probes.result import Outcome, blocked, unavailable, without_secrets
from novaql.server.probes.spec import ProbeSpec
from novaql.server.probes.tcp_check import check_tcp, tcp_outcome


@functools.lru_cache(maxsize=4)
def tls_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """Return the context of TLS connections.

    ca_file  further certificate authorities, in PEM. Raises `OSError` if it cannot be read
    """
    context = httpx.create_ssl_context(trust_env=False)
    if ca_file is not None:
        context.load_verify_locations(cafile=str(ca_file))
    return context


def execute(spec: ProbeSpec, dialer: Dialer, tls: ssl.SSLContext, cancelled: Event) -> Outcome:
    """Run a probe until an attempt succeeds or none is left. Secrets are masked in the outcome.

    Raises `ProbeCancelled` only.
    """
    attempt = 1
    while True:
        found = _attempt(spec, dialer, tls, cancelled)
        if found.status != "failure" or attempt > spec.retries:
            break
        if cancelled.wait(spec.retry_delay_s * 2 ** (attempt - 1)):
            raise ProbeCancelled
        attempt += 1
    found = found.model_copy(update={"attempts": attempt})
    return without_secrets(found, spec.secrets.values())


def _attempt(spec: ProbeSpec, dialer: Dialer, tls: ssl.SSLContext, cancelled: Event) -> Outcome:
    deadline = Deadline(spec.timeout_s, cancelled)
    seen = new_seen()
    began = time.perf_counter()
    reason = detail = ""
    try:
        match spec.kind:
            case "http":
                found = check_http(spec, dialer, deadline, tls, seen)
            case "tcp":
                found = check_tcp(spec, dialer, deadline, tls, seen.measured)
            case _:
                with slot(spec.timeout_s, cancelled):
                    return check_browser(spec, dialer, Deadline(spec.timeout_s, cancelled))
        return found.model_copy(update={"duration_s": time.perf_counter() - began})
    except TargetNotAllowed:
        return blocked()
    except Impossible as problem:
        if problem.code == "target_not_allowed":
            return blocked()
        reason, detail = "invalid_target", "the target is not a URL"
    except Unreachable as problem:
        reason, detail = problem.reason, "the name has no address"
    except RunnerUnavailable as problem:
        return unavailable(str(problem))
    except ProbeFailure as problem:
        reason, detail = problem.reason, problem.detail
    except OSError:
        reason, detail = "connection_lost", "the connection failed"
    except (httpx.InvalidURL, ValueError):
        reason, detail = "invalid_target", "the target cannot be used"
    facts = tcp_outcome(seen.measured) if spec.kind == "tcp" else outcome_of(seen)
    took = time.perf_counter() - began
    return facts.model_copy(update={"failure_reason": reason, "detail": detail, "duration_s": took})
