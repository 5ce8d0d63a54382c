"""A child process that fills numba's cache. The memory of the compiler ends with the child."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress

log = logging.getLogger(__name__)
_NICENESS = 10
_LOOK_S = 0.5


def run_child(command: Sequence[str], *, goes_on: Callable[[], bool]) -> None:
    """Run a command that compiles, at a lower priority, until it ends or `goes_on()` is False."""
    try:
        child = subprocess.Popen(  # noqa: S603 - the command is of this program
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
    except OSError as problem:
        log.warning("kernels are compiled in this process: %s", problem)
        return
    with child:
        with suppress(AttributeError, OSError):  # Windows has no such priorities
            os.setpriority(os.PRIO_PROCESS, child.pid, _NICENESS)
        errors = b""
        while True:
            try:
                _, errors = child.communicate(timeout=_LOOK_S)
                break
            except subprocess.TimeoutExpired:
                if not goes_on():
                    child.kill()
    if child.returncode and goes_on():
        log.warning(
            "kernels are compiled in this process: %s ended with %d: %s",
            " ".join(command),
            child.returncode,
            errors.decode(errors="replace")[-500:],
        )
