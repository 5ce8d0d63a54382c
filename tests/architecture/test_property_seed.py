"""Property tests of the gate: another seed for each run, printed, the same in every worker."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.repository.files import ROOT

pytestmark = pytest.mark.slow

PROBE = """
import os
from hypothesis import given, strategies as st

@given(st.integers(0, 2**60))
def test_same(number):
    with open(os.environ["DRAWN"] + "-same", "a") as out:
        out.write(f"{number}\\n")
"""


def run(folder: Path, *options: str, **environment: str) -> tuple[str, list[str]]:
    """The seed that was printed, and what the tests of two files drew."""
    folder.mkdir()
    (folder / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    for name in ("test_a.py", "test_b.py"):
        (folder / name).write_text(PROBE)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "NOVAQL"))}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--import-mode=importlib",
            *options,
            ".",
        ],
        cwd=folder,
        env={
            **kept,
            "CI": "true",
            "HYPOTHESIS_PROFILE": "ci",
            "DRAWN": str(folder / "drawn"),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    seed = re.search(r"property tests: --hypothesis-seed=(\d+)", done.stdout)
    assert seed is not None, done.stdout
    return seed[1], (folder / "drawn-same").read_text().split()


def test_each_run_draws_a_seed_that_repeats_it_in_every_worker(tmp_path: Path) -> None:
    pytest.importorskip("xdist", reason="pip install 'novaql[dev]' brings pytest-xdist")
    seed, drawn = run(tmp_path / "workers", "-n2", "--dist=loadfile")
    other, drawn_then = run(tmp_path / "other")
    assert seed != other
    assert sorted(drawn) != sorted(drawn_then)
    repeated, again = run(tmp_path / "again", NOVAQL_PROPERTY_SEED=seed)
    assert (repeated, sorted(again)) == (seed, sorted(drawn))
