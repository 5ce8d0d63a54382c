"""Limits of metadata in one body or scrape.

The log has each change of metadata, so without a limit for its bytes a small compressed body could
write a gigabyte of help texts.
"""

from __future__ import annotations

from collections.abc import Mapping

from novaql import LimitExceeded
from novaql.tsdb import Metadata

MOST_METRICS = 1 << 16
MOST_BYTES = 4 << 20


class BodyMetadata:
    """The metadata of one body, up to the limits."""

    def __init__(self) -> None:
        self.of_metrics: dict[str, Metadata] = {}
        self._bytes = 0

    def add(self, metadata: Mapping[str, Metadata]) -> None:
        """Raises `LimitExceeded`."""
        if not metadata:
            return
        self.of_metrics.update(metadata)
        self._bytes += metadata_bytes(metadata)
        if len(self.of_metrics) > MOST_METRICS:
            most = f"{MOST_METRICS} metrics"
        elif self._bytes > MOST_BYTES:
            most = f"{MOST_BYTES} bytes"
        else:
            return
        raise LimitExceeded(f"there is metadata of more than {most} in one body")


def metadata_bytes(metadata: Mapping[str, Metadata]) -> int:
    """Return about the bytes of its texts."""
    return sum(
        len(name) + len(entry.type) + len(entry.help) + len(entry.unit)
        for name, entry in metadata.items()
    )
