"""Loads the executors that a configuration file describes."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from novaql.server.executors.choice import Choice, choose
from novaql.server.executors.config import load
from novaql.server.executors.executor import Executor
from novaql.server.executors.isolation import runs_as_root
from novaql.server.executors.slots import Slots
from novaql.server.executors.visible import check_account, check_visible

log = logging.getLogger(__name__)


def load_executors(path: Path, private: Iterable[Path]) -> tuple[dict[str, Executor], str]:
    """Load the file, and choose how scripts are isolated. Return the executors by name, and one
    line about the isolation.

    private  files and folders of the server that no script may read

    Raises `ArgumentError` with the position of each error.
    """
    owners = {0, os.geteuid()}
    config = load(path, owners)
    hidden = [*private, path]
    for name, executor in config.executors.items():
        check_visible(f"{path}: executors.{name}", executor, hidden, owners)
    first = config.first_uid if runs_as_root() else None
    if first is not None:
        uids = [*range(first, first + config.max_runs)]
        uids += [e.user for e in config.executors.values() if e.user is not None]
        check_account(f"{path}: first_uid", uids)
    slots = Slots(config.max_runs, first)
    choice = choose(config.isolation, slots) if config.executors else Choice(None, "off", {})
    level = logging.WARNING if config.executors and choice.isolation is None else logging.INFO
    extra = {"count": len(config.executors), "isolation": choice.line}
    log.log(level, "executors", extra=extra)
    found = {name: Executor(name, e, choice, slots) for name, e in config.executors.items()}
    return found, choice.line
