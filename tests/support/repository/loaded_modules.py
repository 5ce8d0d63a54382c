"""The modules that a statement loads in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

from tests.support.repository.files import ROOT

HEAVY = (
    "duckdb",
    "fastapi",
    "matplotlib",
    "numba",
    "pandas",
    "polars",
    "pyarrow",
    "pydantic",
    "rich",
    "starlette",
    "uvicorn",
)
"""Packages that load slowly, so that `import novaql` does not load them."""


def modules_after(statement: str, *, whole: bool = False) -> set[str]:
    """Packages loaded in a fresh interpreter after a statement; `whole`: every module by name."""
    name = "name" if whole else "name.partition('.')[0]"
    code = f"{statement}\nimport sys\nprint(*{{{name} for name in sys.modules}})"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())
