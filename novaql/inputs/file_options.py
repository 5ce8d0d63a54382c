"""What the caller says about files, instead of leaving it to their names and contents."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FileKind(Enum):
    """How a file is to be read."""

    PARQUET = "Parquet"
    CSV = "CSV"
    TEXT = "Prometheus text or OpenMetrics"
    PROTOBUF = "Prometheus protobuf"
    JSON_LINES = "JSON lines"
    INFLUX = "Influx line protocol"
    ARROW = "Arrow IPC"


KIND_NAMES = {
    "parquet": FileKind.PARQUET,
    "csv": FileKind.CSV,
    "text": FileKind.TEXT,
    "protobuf": FileKind.PROTOBUF,
    "json-lines": FileKind.JSON_LINES,
    "influx": FileKind.INFLUX,
    "arrow": FileKind.ARROW,
}
"""What a person calls the kinds."""


@dataclass(frozen=True, slots=True)
class FileOptions:
    """
    kind       of every file that is named; None: by its name, else by its first bytes
    precision  unit of the times of line protocol, one of `influx.PRECISIONS`
    """

    kind: FileKind | None = None
    precision: str = "ns"


AS_THEY_LOOK = FileOptions()
