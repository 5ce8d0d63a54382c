"""Browser flows: a real Chromium takes the steps of a check, inside the egress rules.

`docs/design/browser-flows.md` has the threat model.
"""

from novaql.server.probes.browser.flow import run_flow
from novaql.server.probes.browser.model import Flow
from novaql.server.probes.browser.process import available
from novaql.server.probes.browser.results import FlowResult

__all__ = [
    "Flow",
    "FlowResult",
    "available",
    "run_flow",
]
