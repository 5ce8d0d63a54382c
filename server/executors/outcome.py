"""The outcome of one run."""

from __future__ import annotations

from typing import Literal

from novaql.fast_dataclass import dataclass

Status = Literal["succeeded", "failed", "timed_out", "cancelled", "refused"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """status     `succeeded`: exit code 0; `refused`: the script has not started
    exit_code  of the script; 128 and more: the signal that ended it; None: it was ended, or refused
    output     stdout and stderr in the order of writing, without NUL characters
    truncated  whether the script wrote more than `output_bytes`
    detail     the reason in one sentence
    """

    status: Status
    exit_code: int | None
    output: str
    truncated: bool
    detail: str


def refused(reason: str) -> Outcome:
    """Return the outcome of a script that has not started."""
    return Outcome("refused", None, "", False, reason)
