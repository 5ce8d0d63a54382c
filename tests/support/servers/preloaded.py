"""Imported by the process that `forked.py` forks: the programs, and the compiled kernels."""

import novaql.cli.admin
import novaql.cli.serve
import novaql.server.control_parts  # noqa: F401
from novaql import warmup

warmup()
