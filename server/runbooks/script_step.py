"""Script steps: programs that the server's configuration names, run by `server/executors`.

A tenant chooses one of the executors that the configuration grants it, by its name, and sets
values of its parameters, nothing else. The executor passes them as arguments or stdin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from novaql import ArgumentError
from novaql.server.errors import Conflict, impossible
from novaql.server.executors import Executor
from novaql.server.runbooks.model import StepStatus
from novaql.server.runbooks.outcome import StepOutcome
from novaql.server.tenants.context import ServerContext


def granted(context: ServerContext, name: str) -> Executor:
    """Return an executor of the tenant. Raises `Impossible` `executor_unknown`."""
    found = context.tenant_executors.get(name)
    if found is None:
        message = f"the configuration of the server grants this tenant no executor {name!r}"
        raise impossible("/executor", message, "executor_unknown")
    return found


def check_values(executor: Executor, step: Mapping[str, Any]) -> None:
    """Raise `Impossible` for values that the executor rejects."""
    try:
        executor.check(step["parameters"])
    except ArgumentError as problem:
        raise impossible("/parameters", str(problem), "invalid_argument") from None


def check_possible(context: ServerContext, step: Mapping[str, Any], *, dry_run: bool) -> None:
    """Raise for a step of any type that cannot be executed now: `Impossible`
    `executor_unknown` or `invalid_argument`, `Conflict` `executor_unavailable`."""
    if step["type"] != "script":
        return
    executor = granted(context, step["executor"])
    check_values(executor, step)
    if executor.unavailable and not dry_run:
        message = f"the server cannot run {executor.name}: {executor.unavailable}"
        raise Conflict(message, code="executor_unavailable")


def run_script(
    context: ServerContext,
    step: Mapping[str, Any],
    timeout_s: float,
    cancelled: Callable[[], bool],
) -> StepOutcome:
    """Run a script step. An executor that is no longer granted, or cannot run, is rejected."""
    executor = context.tenant_executors.get(step["executor"])
    if executor is None:
        return StepOutcome(StepStatus.REFUSED, detail="the executor is no longer configured")
    try:
        done = executor.run(step["parameters"], timeout_s=timeout_s, cancelled=cancelled)
    except ArgumentError as problem:
        return StepOutcome(StepStatus.REFUSED, detail=str(problem))
    return StepOutcome(
        StepStatus(done.status), done.output, done.truncated, done.exit_code, done.detail
    )
