"""Modules that load at their first use."""

from __future__ import annotations

import sys

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
