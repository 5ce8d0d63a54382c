"""One executor, and its runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack

from novaql.fast_dataclass import dataclass
from novaql.server.executors.arguments import check_values, command_of, stdin_of
from novaql.server.executors.choice import Choice
from novaql.server.executors.config import ExecutorConfig
from novaql.server.executors.isolation import Program
from novaql.server.executors.outcome import Outcome, refused
from novaql.server.executors.slots import NoSlot, Slots, claimed
from novaql.server.executors.supervise import supervise


@dataclass(frozen=True, slots=True)
class Executor:
    """A program of the configuration that runbooks can run."""

    name: str
    config: ExecutorConfig
    _choice: Choice
    _slots: Slots

    @property
    def unavailable(self) -> str:
        """Why every run is rejected; "": runs are possible."""
        return self._choice.reason(network=self.config.network)

    def allows(self, tenant_name: str) -> bool:
        """Whether a tenant may use it."""
        return tenant_name in self.config.tenants or "*" in self.config.tenants

    def check(self, parameters: Mapping[str, str]) -> None:
        """Raise `ArgumentError` with the name of the first parameter that is invalid."""
        check_values(self.config, parameters)

    def run(
        self, parameters: Mapping[str, str], *, timeout_s: float, cancelled: Callable[[], bool]
    ) -> Outcome:
        """Run it in the thread of the caller; afterwards none of its processes and files exist.

        timeout_s  of the wait for a slot and the run together; the run has at most the time of the
                   configuration
        cancelled  called twenty times a second

        Raises `ArgumentError` for invalid parameters.
        """
        self.check(parameters)
        isolation = self._choice.isolation
        if isolation is None or self.unavailable:
            return refused(self.unavailable)
        latest = time.monotonic() + timeout_s
        with ExitStack() as stack:
            try:
                slot = self._slots.slot(latest, cancelled)
                uid = stack.enter_context(slot)
                if self.config.user is not None and uid is not None:
                    uid = self.config.user
                    stack.enter_context(claimed(uid))
            except NoSlot:
                if cancelled():
                    return Outcome("cancelled", None, "", False, "the run was cancelled")
                return refused("other scripts run; none of them has ended in time (max_runs)")
            except OSError:
                return refused(f"another script runs as uid {self.config.user}")
            program = self._program(parameters, uid)
            session = stack.enter_context(isolation.session(program))
            limits = self.config.limits
            deadline = min(latest, time.monotonic() + limits.timeout_s)
            stdin = stdin_of(self.config, parameters)
            return supervise(session, limits, stdin, deadline=deadline, cancelled=cancelled)

    def _program(self, parameters: Mapping[str, str], uid: int | None) -> Program:
        config = self.config
        read = [config.command[0], *config.read]
        command = command_of(config, parameters)
        return Program(command, read, config.network, config.limits, uid)
