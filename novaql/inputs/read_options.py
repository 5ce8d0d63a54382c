"""How data is read, whatever its kind."""

from __future__ import annotations

from dataclasses import dataclass

from novaql.inputs.batch_stream import Progress, no_progress
from novaql.inputs.exposed_options import AS_EXPOSED, ExposedOptions
from novaql.inputs.file_options import AS_THEY_LOOK, FileOptions
from novaql.inputs.tables.column_roles import BY_NAME, Columns


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """
    columns          roles of the columns of tables
    default_time_ms  time of text samples without a time, scraped or in a file (None: now)
    progress         called with bytes done and bytes in all
    exposed          which formats targets are asked for, and how their samples are converted
    files            the format of files (default: by name or content)
    """

    columns: Columns = BY_NAME
    default_time_ms: int | None = None
    progress: Progress = no_progress
    exposed: ExposedOptions = AS_EXPOSED
    files: FileOptions = AS_THEY_LOOK


DEFAULTS = ReadOptions()
