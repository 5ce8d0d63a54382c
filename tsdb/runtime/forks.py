"""What a process does when it is forked."""

from __future__ import annotations

import os
from collections.abc import Callable


def after_fork(act: Callable[[], object]) -> None:
    """Call `act` in each child of this process, first of all. Windows forks no process."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=act)
