"""Modules that load at their first use."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from novaql.lazy_exports import lazy_module

RARE = "this"  # of the standard library; nothing else imports it


def test_a_lazy_module_loads_at_the_first_use(capsys: pytest.CaptureFixture[str]) -> None:
    sys.modules.pop(RARE, None)
    module = lazy_module(RARE)
    assert not hasattr(module, "__path__")
    assert RARE not in sys.modules

    assert isinstance(module.s, str)

    assert RARE in sys.modules
    assert "Beautiful is better than ugly" in capsys.readouterr().out


def test_a_lazy_module_has_what_its_module_has_now(monkeypatch: pytest.MonkeyPatch) -> None:
    module = lazy_module("json")
    monkeypatch.setattr("json.dumps", lambda _: "replaced")

    assert module.dumps(1) == "replaced"
    with pytest.raises(AttributeError, match="nothing"):
        _ = module.nothing


def test_nothing_is_collected_during_a_late_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "seen_late.py").write_text("import gc\nCOLLECTS = gc.isenabled()\n")
    (tmp_path / "broken_late.py").write_text("raise ImportError\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    assert lazy_module("seen_late").COLLECTS is False
    assert gc.isenabled()
    with pytest.raises(ImportError):
        _ = lazy_module("broken_late").anything
    assert gc.isenabled()


_IMPORTS_LATE = """
import gc, sys
from novaql.lazy_exports import lazy_module
sys.path.insert(0, sys.argv[1])
if sys.argv[2:]:
    gc.freeze()
frozen = gc.get_freeze_count()
held = lazy_module("large_late").HELD
old = {id(one) for one in gc.get_objects(generation=2)}
print(sum(id(one) in old for one in held), gc.get_freeze_count() > 0.9 * frozen > 0)
"""


@pytest.mark.parametrize(
    ("freeze", "found"),
    [((), "20 False"), (("freeze",), "0 True")],
    ids=["full collections alone traverse what it allocates", "what is frozen stays frozen"],
)
def test_the_collections_after_an_import(
    freeze: tuple[str, ...], found: str, tmp_path: Path
) -> None:
    (tmp_path / "large_late.py").write_text("HELD = [[number] for number in range(20)]\n")

    run = subprocess.run(
        [sys.executable, "-c", _IMPORTS_LATE, str(tmp_path), *freeze],
        capture_output=True,
        text=True,
        check=True,
    )

    assert run.stdout.strip() == found


_QUERIES = """
import sys, threading
from novaql.server.process import template
template.load()
assert threading.active_count() == 1
loaded = set(sys.modules)
from novaql import query, tsdb
query("abs(mode(rate(up[5m])))", tsdb.memory(), time=0)
late = set(sys.modules) - loaded
print(*sorted(name for name in late if name.startswith(("novaql.language", "novaql.evaluator"))))
"""


def test_workers_share_the_modules_of_all_queries() -> None:
    run = subprocess.run(
        [sys.executable, "-c", _QUERIES], capture_output=True, text=True, check=True
    )

    assert run.stdout.split() == []
