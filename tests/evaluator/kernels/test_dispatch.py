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
from novaql.evaluator.kernels import dispatch
from novaql.inputs.tables.table_source import TableSource
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch

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


def test_a_small_query_does_not_load_numba() -> None:
    code = "ask(fleet(20, 200), 200)\nprint('numba' in sys.modules, dispatch.ready(0))"

    assert run(code, NOVAQL_COMPILED="auto") == "False False"


def test_off_stays_with_numpy() -> None:
    code = (
        "dispatch.WORTH_LOADING = 1\nask(fleet(20, 200), 200)\nwarmup(background=True)\n"
        "print('numba' in sys.modules)"
    )

    assert run(code, NOVAQL_COMPILED="off") == "False"


def test_without_numba_numpy_answers() -> None:
    code = (
        "import importlib.util\nfrom novaql import compiled_set\n"
        "from novaql.tsdb.codec.numba import compiled\n"
        "hidden = importlib.util.find_spec\n"
        "absent = lambda name: None if name == 'numba' else hidden(name)\n"
        "dispatch.find_spec = compiled_set.find_spec = compiled.find_spec = absent\n"
        "print(ask(fleet(20, 200), 200)[0, 0], warmup(), 'numba' in sys.modules)"
    )

    assert run(code, NOVAQL_COMPILED="on") == "20.0 {} False"


def test_a_process_with_much_to_do_gets_twins_in_the_background() -> None:
    pytest.importorskip("numba", reason="compiled kernels need numba: pip install 'novaql[fast]'")
    code = (
        "dispatch.WORTH_LOADING = 1\ndata = fleet(20, 200)\nbefore = ask(data, 200)\n"
        "dispatch._state.background.join()\n"
        "print(dispatch.ready(0), dispatch.twin('strip_rates', 1) is not None)\n"
        "np.testing.assert_allclose(before, ask(data, 200), rtol=1e-12)"
    )

    assert run(code, NOVAQL_COMPILED="auto") == "True True"


def test_the_cache_goes_where_it_can_be_written(tmp_path: Path) -> None:
    pytest.importorskip("numba", reason="compiled kernels need numba: pip install 'novaql[fast]'")
    code = (
        "from novaql.evaluator.kernels.compiled import jit, strip_lines\n"
        "jit.prepare('strip_lines')\nprint(len(jit.KERNELS))"
    )

    assert run(code, NUMBA_CACHE_DIR=str(tmp_path)) == "1"
    assert list(tmp_path.rglob("*.nbi"))


def test_numba_that_cannot_be_used_is_done_without() -> None:
    code = (
        "sys.modules['numba'] = None\ndispatch.available = lambda: True\n"
        "dispatch.WORTH_LOADING = 1\ndata = fleet(20, 200)\nask(data, 200)\n"
        "dispatch._state.background.join()\nprint(ask(data, 200)[0, 0])\n"
        "try:\n    warmup()\nexcept ImportError:\n    print('told')"
    )

    assert run(code, NOVAQL_COMPILED="auto").split() == ["20.0", "told"]


def test_without_a_place_for_the_cache_kernels_are_compiled_all_the_same() -> None:
    pytest.importorskip("numba", reason="compiled kernels need numba: pip install 'novaql[fast]'")
    code = (
        "from numba.core import caching\n"
        "caching.CacheImpl._locator_classes = []\n"
        "from novaql.evaluator.kernels.compiled import jit, strip_lines\n"
        "print(jit.prepare('strip_lines').stats.cache_path)"
    )

    assert run(code) == "None"


def test_a_program_that_ends_does_not_wait_for_all_kernels() -> None:
    pytest.importorskip("numba", reason="compiled kernels need numba: pip install 'novaql[fast]'")
    code = (
        "asked = []\n"
        "def goes_on():\n    asked.append(0)\n    return len(asked) < 3\n"
        "print(len(dispatch.prepare_all(goes_on=goes_on)), dispatch.ready(0))"
    )

    assert run(code, NOVAQL_COMPILED="auto") == "2 False"
