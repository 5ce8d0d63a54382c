"""The outcome of one attempt of a step."""

from __future__ import annotations

from novaql.fast_dataclass import dataclass
from novaql.server.runbooks.model import StepStatus


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """The outcome of one attempt of a step, before redaction.

    output     what the target answered; `truncated`: it was longer
    detail     why it has its status, in one sentence
    """

    status: StepStatus
    output: str = ""
    truncated: bool = False
    exit_code: int | None = None
    detail: str = ""
