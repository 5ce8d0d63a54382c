"""A runner in a separate process: claims runs of its region, executes and reports them.

It connects only to the server, and through the egress dialer to targets. It stores nothing: a run
that it does not report becomes `runner_lost` on the server.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from typing import Any

import httpx

from novaql.fast_dataclass import dataclass
from novaql.server.egress.dialer import Dialer
from novaql.server.probes.browser_check import unavailable
from novaql.server.probes.deadline import ProbeCancelled
from novaql.server.probes.execute import execute
from novaql.server.probes.result import Outcome
from novaql.server.probes.spec import ProbeSpec

log = logging.getLogger(__name__)
_REQUEST_S = 15.0
_SHORTEST_S, _FULL_S, _LONGEST_S = 0.05, 0.25, 30.0
_REPORTS = 5
_FATAL = (401, 403)
_PICTURES = 900_000
"""The size of all screenshots of a report, below the server's usual limit of a body."""


class RunnerRefused(Exception):
    """The server does not accept this runner: its token is not valid, or for another region."""


@dataclass
class ProbeRunner:
    """A runner of one region.

    server    the URL of the server
    token     a token with the purpose `probe`; "" for a server without tokens
    places    runs at the same time
    tls       the context of checks
    stopping  set to stop; running checks end
    """

    server: str
    region: str
    token: str
    dialer: Dialer
    tls: ssl.SSLContext
    places: int = 8
    version: str = ""
    stopping: threading.Event = field(default_factory=threading.Event)
    _running: dict[str, threading.Event] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _heartbeat_s: float = 5.0
    _beat_at: float = 0.0

    def run(self) -> None:
        """Work until `stopping` is set. Raises `RunnerRefused`."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        pool = ThreadPoolExecutor(self.places, thread_name_prefix="probe")
        try:
            with httpx.Client(
                base_url=self.server, headers=headers, timeout=_REQUEST_S, trust_env=False
            ) as client:
                self._work(client, pool)
                self.stop()
                pool.shutdown()
        finally:
            self.stop()
            pool.shutdown(wait=False, cancel_futures=True)

    def stop(self) -> None:
        """End the runs. Their leases expire on the server."""
        self.stopping.set()
        with self._lock:
            for cancelled in self._running.values():
                cancelled.set()

    def _work(self, client: httpx.Client, pool: ThreadPoolExecutor) -> None:
        wait_s, failures = _SHORTEST_S, 0
        while not self.stopping.wait(wait_s):
            try:
                self._beat(client)
                wait_s = self._claim(client, pool)
                failures = 0
            except (httpx.HTTPError, ValueError) as problem:
                failures += 1
                wait_s = min(2.0**failures * 0.5, _LONGEST_S)
                log.warning("no answer of the server, next attempt in %g s: %s", wait_s, problem)

    def _claim(self, client: httpx.Client, pool: ThreadPoolExecutor) -> float:
        """Claim runs for free places. Return the seconds until the next request."""
        with self._lock:
            free = self.places - len(self._running)
        if free <= 0:
            return _FULL_S
        kinds = ["http", "tcp"] if unavailable() is not None else ["http", "tcp", "browser"]
        body = {
            "region": self.region,
            "most": min(free, 20),
            "capabilities": kinds,
            "version": self.version,
        }
        found = self._request(client, "claim", body)
        self._heartbeat_s = float(found["heartbeat_every_s"])
        for one in found["runs"]:
            cancelled = threading.Event()
            with self._lock:
                self._running[one["lease"]] = cancelled
            pool.submit(self._run_one, client, one, cancelled)
        return max(_SHORTEST_S, float(found["poll_after_s"]))

    def _run_one(
        self, client: httpx.Client, claimed: dict[str, Any], cancelled: threading.Event
    ) -> None:
        lease = claimed["lease"]
        try:
            spec = ProbeSpec.model_validate(claimed["spec"])
            outcome = execute(spec, self.dialer, self.tls, cancelled)
            self._report(client, lease, _small(outcome).model_dump(mode="json"))
        except ProbeCancelled:
            log.info("the run %s was cancelled", claimed["result_id"])
        except Exception:
            log.exception("the run %s failed", claimed["result_id"])
        finally:
            with self._lock:
                self._running.pop(lease, None)

    def _report(self, client: httpx.Client, lease: str, outcome: dict[str, Any]) -> None:
        """Report an outcome; repeat it while the server does not answer."""
        for attempt in range(_REPORTS):
            try:
                self._request(client, "report", {"lease": lease, "outcome": outcome})
            except httpx.HTTPStatusError as problem:
                if problem.response.status_code < 500 and problem.response.status_code != 429:
                    log.info("the server did not take a result: %s", problem.response.text[:300])
                    return
            except httpx.HTTPError as problem:
                log.warning("a result could not be reported: %s", problem)
            else:
                return
            if self.stopping.wait(2.0**attempt * 0.5):
                return

    def _beat(self, client: httpx.Client) -> None:
        """Renew the leases of running checks when it is time, and end those that are over."""
        if time.monotonic() < self._beat_at:
            return
        with self._lock:
            leases = list(self._running)
        self._beat_at = time.monotonic() + self._heartbeat_s
        if not leases:
            return
        found = self._request(client, "heartbeat", {"region": self.region, "leases": leases})
        with self._lock:
            for lease in found["ended"]:
                if lease in self._running:
                    self._running[lease].set()

    def _request(self, client: httpx.Client, what: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = client.post(f"/v1/probes/{what}", json=body)
        if answer.status_code in _FATAL:
            raise RunnerRefused(answer.text[:500])
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


def _small(outcome: Outcome) -> Outcome:
    """Return an outcome without the first screenshots, if all of them are too large to report. The
    last ones show why a flow fails."""
    size, chosen = 0, []
    for shot in reversed(outcome.screenshots):
        size += len(shot.png)
        if size > _PICTURES:
            break
        chosen.append(shot)
    return outcome.model_copy(update={"screenshots": chosen[::-1]})
