"""Conversions of a `Result`: tables of other libraries, text, a picture.

Each form is a module that is imported on first use, so that `import novaql` stays light. If a
library is not installed, the error names it and the extra that installs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from novaql.export.arrow import long_stream as long_stream
    from novaql.export.arrow import wide_stream as wide_stream
    from novaql.export.csv_text import csv_pieces as csv_pieces
    from novaql.export.formulas import without_formula as without_formula
    from novaql.export.html import html_of as html_of
    from novaql.export.json_values import ValueStyle as ValueStyle
    from novaql.export.labels_json import label_bytes as label_bytes
    from novaql.export.labels_json import series_json as series_json
    from novaql.export.named_series import named_arrow as named_arrow
    from novaql.export.named_series import named_csv as named_csv
    from novaql.export.prometheus_json import result_json as result_json
    from novaql.export.prometheus_json import result_pieces as result_pieces
    from novaql.export.series_limit import first_series as first_series
else:
    from novaql.lazy_exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "arrow": "long_stream wide_stream",
            "csv_text": "csv_pieces",
            "formulas": "without_formula",
            "html": "html_of",
            "json_values": "ValueStyle",
            "labels_json": "label_bytes series_json",
            "named_series": "named_arrow named_csv",
            "prometheus_json": "result_json result_pieces",
            "series_limit": "first_series",
        },
    )
