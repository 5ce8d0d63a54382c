"""Options for reading data: of all kinds, of files, and of exposed metrics."""

from __future__ import annotations

import time
from enum import StrEnum

from novaql.fast_dataclass import dataclass
from novaql.inputs.batch_stream import Progress, no_progress
from novaql.inputs.tables.column_roles import BY_NAME, Columns


class FileKind(StrEnum):
    """The format of a file, by its name on the command line."""

    PARQUET = "parquet"
    CSV = "csv"
    TEXT = "text"
    PROTOBUF = "protobuf"
    JSON_LINES = "json-lines"
    INFLUX = "influx"
    ARROW = "arrow"


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How files are read, whatever their names.

    kind       format of every file that is named; None: by its name, else by its first bytes
    precision  unit of the times of line protocol, one of `influx.PRECISIONS`
    """

    kind: FileKind | None = None
    precision: str = "ns"


ANY_FORMAT = FileOptions()


@dataclass(frozen=True, slots=True)
class ExposedOptions:
    """How text and protobuf of targets are read.

    native_histograms  prefer the protobuf format in requests to targets: they expose native
                       histograms in no other
    always_classic     also read the `_bucket`, `_count` and `_sum` series of a histogram that is
                       native, or is made native by `convert_classic`
    convert_classic    convert classic histograms to native ones with custom buckets
    start_timestamps   True: read start timestamps, those of the protobuf format and those of
                       `_created` lines of OpenMetrics, which are then not series themselves;
                       None: only the protobuf format's; False: none
    """

    native_histograms: bool = False
    always_classic: bool = False
    convert_classic: bool = False
    start_timestamps: bool | None = None


AS_EXPOSED = ExposedOptions()
"""Times, names and histograms as the target exposes them."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How data of any kind is read.

    columns          roles of the columns of tables
    default_time_ms  time of text samples without a time, scraped or in a file (None: now)
    progress         called with bytes done and bytes in all
    exposed          which formats are requested from targets, and how their samples are converted
    files            the format of files (default: by name or content)
    """

    columns: Columns = BY_NAME
    default_time_ms: int | None = None
    progress: Progress = no_progress
    exposed: ExposedOptions = AS_EXPOSED
    files: FileOptions = ANY_FORMAT

    @property
    def time_ms(self) -> int:
        """The time of a text sample without a time that is read now."""
        return round(time.time() * 1000) if self.default_time_ms is None else self.default_time_ms


DEFAULTS = ReadOptions()
