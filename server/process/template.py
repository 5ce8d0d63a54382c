"""The modules that every worker needs, imported once by the process of which workers are forks.

The imports take longer than all else at the start of a worker, and their memory is shared.
"""

import gc

from sqlalchemy.orm import configure_mappers

import novaql.server.control_parts
import novaql.server.process.worker  # noqa: F401 - imported for the forks
from novaql.lazy_exports import load_lazy_modules


def load() -> None:
    """Load the rest, and freeze it: a collection of a fork would visit, and so copy, what all
    forks share."""
    load_lazy_modules("novaql.language", "novaql.evaluator")
    configure_mappers()
    gc.collect()
    gc.freeze()
