"""Chooses the strongest isolation that this machine offers."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping

from novaql.fast_dataclass import dataclass
from novaql.server.executors.isolation import Isolation
from novaql.server.executors.namespaces import Namespaces
from novaql.server.executors.own_uid import OwnUid
from novaql.server.executors.slots import NoSlot, Slots

_WAIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Choice:
    """isolation  None: every run is rejected
    line       describes it, or why there is none
    reasons    by whether a script has network: why it is rejected; "": it is not
    """

    isolation: Isolation | None
    line: str
    reasons: Mapping[bool, str]

    def reason(self, *, network: bool) -> str:
        """Why scripts with or without network are rejected; "": they are not."""
        return self.line if self.isolation is None else self.reasons[network]


def choose(wanted: str, slots: Slots) -> Choice:
    """Try each isolation with a program that does nothing.

    wanted  the setting: `auto`, `namespaces` or `uid`
    slots   have the uid of the programs
    """
    refusals = []
    for label, isolation in _candidates(wanted):
        reasons = {network: _tried(isolation, slots, network=network) for network in (False, True)}
        if not all(reasons.values()):
            rest = next(iter(filter(None, reasons.values())), "")
            without = "with" if reasons[True] else "without"
            note = f"; scripts {without} network are refused: {rest}" if rest else ""
            return Choice(isolation, f"{label}{note}", reasons)
        refusals.append(f"{label}: {reasons[False]}")
    return Choice(None, f"no isolation is possible ({'; '.join(refusals)})", {})


def _candidates(wanted: str) -> Iterator[tuple[str, Isolation]]:
    if wanted in ("auto", "namespaces"):
        yield "namespaces", Namespaces(proc=True)
        yield "namespaces without /proc", Namespaces(proc=False)
    if wanted in ("auto", "uid"):
        yield "uid", OwnUid()


def _tried(isolation: Isolation, slots: Slots, *, network: bool) -> str:
    try:
        with slots.slot(time.monotonic() + _WAIT_S, lambda: False) as uid:
            return isolation.unavailable(network=network, uid=uid)
    except NoSlot:
        return "all uids are in use by another server of this machine"
    except (OSError, subprocess.SubprocessError) as problem:
        return str(problem)
