"""What happens behind the routes: kinds of jobs, and who hears of whose events.

Domains do not know each other. Where one has to act on what another did, it consumes the event
here, and here is the whole list.
"""

from __future__ import annotations

from server.audit.jobs import EXPORTS
from server.platform.events import Consumer, relay
from server.platform.jobs import JobKind

CONSUMERS: tuple[Consumer, ...] = ()

JOBS: tuple[JobKind, ...] = (relay(CONSUMERS), EXPORTS)
