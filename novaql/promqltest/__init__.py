"""Prometheus's test scripts, run against this engine: `novaql promqltest FILE...`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from novaql.promqltest.histogram import FloatHistogram as FloatHistogram
    from novaql.promqltest.report import main as main
    from novaql.promqltest.series_notation import Labels as Labels
    from novaql.promqltest.series_notation import labels_of as labels_of
else:
    from novaql.lazy_exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "histogram": ("FloatHistogram",),
            "report": ("main",),
            "series_notation": ("Labels", "labels_of"),
        },
    )
