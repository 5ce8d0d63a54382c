"""Checks of what the scripts of a configuration can read, and as which uid."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from novaql.server.executors.config import ExecutorConfig, check_owned, fault
from novaql.server.executors.isolation import SYSTEM_FILES, SYSTEM_FOLDERS, runs_as_root


def check_visible(
    position: str, config: ExecutorConfig, private: Iterable[Path], owners: set[int]
) -> None:
    """Raise `ArgumentError` if the program cannot run, or could read private files."""
    visible = [*SYSTEM_FOLDERS, *SYSTEM_FILES, config.command[0], *config.read]
    for path in visible:
        for hidden in private:
            if _overlap(Path(path).resolve(), hidden.resolve()):
                raise fault(f"{position}: the script could read {hidden}, because it reads {path}")
    program = Path(config.command[0])
    if not program.is_file():
        raise fault(f"{position}.command[0]: there is no file {program}")
    mode = program.stat().st_mode
    for_all = stat.S_IXOTH | stat.S_IROTH if runs_as_root() else 0
    if not os.access(program, os.X_OK) or mode & for_all != for_all:
        raise fault(f"{position}.command[0]: {program} is not executable for the script's user")
    check_owned(program.resolve(), owners, f"{position}.command[0]: {program}")
    for path in config.read:
        if not Path(path).exists():
            raise fault(f"{position}.read: there is no {path}")
    for path in (config.command[0], *config.read) if runs_as_root() else ():
        for folder in Path(path).resolve().parents:
            if not folder.stat().st_mode & stat.S_IXOTH:
                raise fault(f"{position}: {path} is in {folder}, which only its owner can enter")


def _overlap(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


def check_account(position: str, uids: Iterable[int]) -> None:
    """Raise `ArgumentError` if a uid belongs to an account."""
    for uid in uids:
        with suppress(KeyError):
            name = pwd.getpwuid(uid).pw_name
            raise fault(f"{position}: {uid} is the uid of {name}; choose uids without account")
