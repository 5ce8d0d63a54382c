"""Kernels in numba's cache are those of today's sources: also of functions that stand elsewhere."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from novaql.evaluator import kernels

pytest.importorskip("numba", reason="compiled kernels need numba: pip install 'novaql[fast]'")

from novaql.evaluator.kernels.compiled import jit

FOLDER = Path(kernels.__file__).parent / "compiled"
HARMLESS = {"__future__", "collections.abc", "typing", "numpy", "numba", jit.__name__}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("strip*.py")), ids=lambda path: path.stem)
def test_a_kernel_has_functions_of_its_own_file_and_of_shared_ones(path: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            imported.add(node.module)
        elif isinstance(node, ast.Import):
            imported |= {name.name for name in node.names}
    assert imported - HARMLESS <= {module.__name__ for module in jit.SHARED}


def names_in_the_cache(folder: Path, before: str) -> set[str]:
    """What `strip_bounds` is called there, compiled in a process of its own after `before`."""
    code = (
        "from pathlib import Path\nimport inspect\n"
        f"{before}\n"
        "from novaql.evaluator.kernels.compiled import jit, strips\njit.prepare('strip_bounds')"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={"NUMBA_CACHE_DIR": str(folder), "PATH": ""}
    )
    return {path.name for path in folder.rglob("*.nbi")}


@pytest.mark.slow
def test_other_shared_functions_make_other_files(tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    other.write_text("# something else")
    today = names_in_the_cache(tmp_path / "one", "")
    changed = names_in_the_cache(tmp_path / "two", f"inspect.getfile = lambda _: {str(other)!r}")
    assert len(today) == len(changed) == 1
    assert today != changed
    assert jit.VERSION in today.pop()
