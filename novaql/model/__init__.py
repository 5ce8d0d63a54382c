"""Single series and samples as Python values, and the notation of series in test scripts.

Columns of many samples are in `novaql.tsdb.model`; these are for rules, test scripts and tests,
which handle samples one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from novaql.model.float_histogram import FloatHistogram as FloatHistogram
    from novaql.model.label_set import Labels as Labels
    from novaql.model.label_set import labels_of as labels_of
else:
    from novaql.lazy_exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "float_histogram": "FloatHistogram",
            "label_set": "Labels labels_of",
        },
    )
