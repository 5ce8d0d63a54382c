"""Prometheus's test scripts, run against this engine: `novaql promqltest FILE...`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from novaql.promqltest.report import main as main
else:
    from novaql.lazy_exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(__name__, {"report": "main"})
