"""Look-ups of names within the time of a probe.

The system's resolver has no deadline, so it runs in threads.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet

from novaql.server.egress.dialer import Dialer
from novaql.server.probes.deadline import Deadline, ProbeFailure, RunnerUnavailable

THREADS = 128
_POOL = ThreadPoolExecutor(THREADS, thread_name_prefix="probe-dns")


def addresses(dialer: Dialer, host: str, port: int, deadline: Deadline) -> list[str]:
    """Return the addresses of a host, IPv4 first.

    Raises `TargetNotAllowed`, `Unreachable`, and after the deadline `ProbeFailure` `dns`, or
    `RunnerUnavailable` if other names occupied all threads.
    """
    found: Future[list[str]] = _POOL.submit(dialer.addresses, host, port)
    while True:
        try:
            every = found.result(timeout=deadline.slice())
            return sorted(every, key=lambda address: ":" in address)
        except NotYet:
            continue
        except ProbeFailure:
            if found.cancel():  # it has not begun
                raise RunnerUnavailable("the resolver of the runner is busy") from None
            raise ProbeFailure("dns", "the name was not resolved within the timeout") from None
