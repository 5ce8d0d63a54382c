"""Script steps: programs that the server's configuration names, run by `server/executors`.

This file alone uses executors. A tenant chooses an executor by its name and gives values of its
parameters, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from novaql import ArgumentError
from novaql.server.runbooks.model import StepStatus
from novaql.server.runbooks.outcome import StepOutcome
from novaql.server.tenants.context import ServerContext


class ScriptOutcome(Protocol):
    """The end of a program. `status` is `succeeded`, `failed`, `timed_out`, `cancelled` or
    `refused` (it did not begin)."""

    @property
    def status(self) -> str: ...
    @property
    def exit_code(self) -> int | None: ...
    @property
    def output(self) -> str: ...
    @property
    def truncated(self) -> bool: ...
    @property
    def detail(self) -> str: ...


class Executor(Protocol):
    """A program of the configuration."""

    def check(self, parameters: Mapping[str, str]) -> None:
        """Raise `ArgumentError`, with the name of the parameter, for values that it rejects."""

    def run(
        self,
        parameters: Mapping[str, str],
        *,
        timeout_s: float,
        cancelled: Callable[[], bool],
    ) -> ScriptOutcome:
        """Run it to its end, for at most `timeout_s`."""


def executor_named(context: ServerContext, name: str) -> Executor | None:
    """Return an executor of the server's configuration, or None."""
    return cast("Executor | None", context.executor_named(name))


def run_script(
    executor: Executor | None,
    step: Mapping[str, Any],
    timeout_s: float,
    cancelled: Callable[[], bool],
) -> StepOutcome:
    """Run a script step. A program that was removed from the configuration is refused."""
    if executor is None:
        return StepOutcome(StepStatus.REFUSED, detail="the executor is no longer configured")
    try:
        executor.check(step["parameters"])
    except ArgumentError as problem:
        return StepOutcome(StepStatus.REFUSED, detail=str(problem))
    done = executor.run(step["parameters"], timeout_s=timeout_s, cancelled=cancelled)
    return StepOutcome(
        StepStatus(done.status), done.output, done.truncated, done.exit_code, done.detail
    )
