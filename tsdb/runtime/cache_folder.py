"""`NOVAQL_CACHE_DIR`: a folder of compiled code and of the grammar's tables, for many processes.

`novaql warmup` fills it, for example in the image of a container. Later processes read it, also
where they cannot write it: a read-only file system, another user. Missing entries are then cached
at their usual place.
"""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path | None:
    """The folder that the setting names, if it is an absolute path."""
    given = os.environ.get("NOVAQL_CACHE_DIR", "")
    return Path(given) if os.path.isabs(given) else None
