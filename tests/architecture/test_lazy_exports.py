"""Modules that load at their first use."""

from __future__ import annotations

import gc
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
