"""Limits of metadata in one body.

The log has each change of metadata, so without a limit for its texts a small compressed body could
write a gigabyte of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from novaql import LimitExceeded
from novaql.tsdb import Metadata

MOST_METRICS = 1 << 16
MOST_CHARACTERS = 4 << 20


class BodyMetadata:
    """The metadata of one body, up to the limits."""

    def __init__(self) -> None:
        self.of_metrics: dict[str, Metadata] = {}
        self._characters = 0

    def add(self, metadata: Mapping[str, Metadata]) -> None:
        """Raises `LimitExceeded`.

        metadata  may have what an earlier call had, as that of a text that is read in blocks
        """
        changed = {n: entry for n, entry in metadata.items() if self.of_metrics.get(n) != entry}
        if not changed:
            return
        self.of_metrics.update(changed)
        self._characters += sum(len(name) + entry.characters for name, entry in changed.items())
        if len(self.of_metrics) > MOST_METRICS:
            most = f"{MOST_METRICS} metrics"
        elif self._characters > MOST_CHARACTERS:
            most = f"{MOST_CHARACTERS} characters"
        else:
            return
        raise LimitExceeded(f"there is metadata of more than {most} in one body")
