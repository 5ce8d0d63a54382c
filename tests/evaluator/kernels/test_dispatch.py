"""When a twin answers and when NumPy does; each case in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.repository.files import ROOT

FLEET = """
import sys, numpy as np
from novaql import query, warmup
from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.inputs.tables.table_source import TableSource
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.runtime import compiled

def fleet(series, samples):
    table = SeriesTable.from_dicts([{"__name__": "m_total", "i": str(i)} for i in range(series)])
    return TableSource(
        Batch(
            table,
            np.repeat(np.arange(series), samples),
            np.tile(np.arange(samples) * 1000, series),
            np.arange(series * samples) % samples * 1.0,
        )
    )

def ask(data, samples):
    found = query("sum(rate(m_total[1m]))", data, start=60, end=samples - 1, step=1)
    return found.values
"""


def run(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", FLEET + code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_a_small_query_does_not_load_numba() -> None:
    code = "ask(fleet(20, 200), 200)\nprint('numba' in sys.modules, KERNELS.ready())"

    assert run(code, NOVAQL_COMPILED="auto") == "False None"


@pytest.mark.slow
def test_off_stays_with_numpy() -> None:
    code = (
        "KERNELS.worth = 1\nask(fleet(20, 200), 200)\nwarmup(background=True)\n"
        "print('numba' in sys.modules)"
    )

    assert run(code, NOVAQL_COMPILED="off") == "False"


def test_without_numba_numpy_answers() -> None:
    code = (
        "import importlib.util\n"
        "hidden = importlib.util.find_spec\n"
        "compiled.find_spec = lambda name: None if name == 'numba' else hidden(name)\n"
        "print(ask(fleet(20, 200), 200)[0, 0], warmup(), 'numba' in sys.modules)"
    )

    assert run(code, NOVAQL_COMPILED="on") == "20.0 {} False"


@pytest.mark.slow
def test_a_process_with_much_to_do_gets_twins_in_the_background() -> None:
    pytest.importorskip("numba", reason="compiled kernels need numba: pip install 'novaql[fast]'")
    code = (
        "KERNELS.worth = 1\ndata = fleet(20, 200)\nbefore = ask(data, 200)\n"
        "compiled.wait_for_background()\n"
        "print(KERNELS.ready() is KERNELS.call)\n"
        "np.testing.assert_allclose(before, ask(data, 200), rtol=1e-12)"
    )

    assert run(code, NOVAQL_COMPILED="auto") == "True"


@pytest.mark.slow
def test_the_cache_goes_where_it_can_be_written(tmp_path: Path) -> None:
    pytest.importorskip("numba", reason="compiled kernels need numba: pip install 'novaql[fast]'")
    code = "KERNELS.modules = ('.strip_lines',)\nprint(len(KERNELS.prepare()))"

    count = int(run(code, NUMBA_CACHE_DIR=str(tmp_path)))
    assert count == len(list(tmp_path.rglob("*.nbi"))) > 0


@pytest.mark.slow
def test_numba_that_cannot_be_used_is_done_without() -> None:
    code = (
        "sys.modules['numba'] = None\ncompiled.available = lambda: True\n"
        "KERNELS.worth = 1\ndata = fleet(20, 200)\nask(data, 200)\n"
        "compiled.wait_for_background()\nprint(ask(data, 200)[0, 0])\n"
        "try:\n    warmup()\nexcept ImportError:\n    print('raised')"
    )

    assert run(code, NOVAQL_COMPILED="auto").split() == ["20.0", "raised"]


@pytest.mark.slow
def test_without_a_place_for_the_cache_kernels_are_compiled_all_the_same() -> None:
    pytest.importorskip("numba", reason="compiled kernels need numba: pip install 'novaql[fast]'")
    code = (
        "from numba.core import caching\n"
        "caching.CacheImpl._locator_classes = []\n"
        "KERNELS.modules = ('.strip_lines',)\nKERNELS.prepare()\n"
        "print(KERNELS.call.strip_lines.stats.cache_path)"
    )

    assert run(code) == "None"


@pytest.mark.slow
def test_a_program_that_ends_does_not_wait_for_all_kernels() -> None:
    pytest.importorskip("numba", reason="compiled kernels need numba: pip install 'novaql[fast]'")
    code = (
        "asked = []\n"
        "def goes_on():\n    asked.append(0)\n    return len(asked) < 3\n"
        "print(len(KERNELS.prepare(goes_on=goes_on)), KERNELS.ready())"
    )

    assert run(code, NOVAQL_COMPILED="auto") == "2 None"
