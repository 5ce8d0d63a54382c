"""Imported by the process that `forked.py` forks: the programs, and the compiled kernels."""

import gc

from sqlalchemy.orm import configure_mappers

import novaql.cli.admin
import novaql.cli.serve
import novaql.server.control_parts  # noqa: F401
from novaql import warmup
from novaql.lazy_exports import load_lazy_modules

load_lazy_modules("novaql.language", "novaql.evaluator")
warmup()
configure_mappers()
gc.collect()
gc.freeze()  # a collection in a fork would write to, and so copy, memory that all forks share
