"""Calls functions in forked processes."""

from __future__ import annotations

import os
from collections.abc import Callable


def after_fork(act: Callable[[], object]) -> None:
    """Call `act` in each forked child of this process, before anything else. Windows has no
    forks."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=act)
