"""Values as text: numbers, times, durations, label sets, and quoted parts of messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from novaql.text.excerpts import excerpt as excerpt
    from novaql.text.floats import float_tokens as float_tokens
    from novaql.text.go_text import go_number as go_number
    from novaql.text.go_text import parse_go_float as parse_go_float
    from novaql.text.labels import series_text as series_text
    from novaql.text.numbers import number_text as number_text
    from novaql.text.times import duration_text as duration_text
    from novaql.text.times import is_portable_zone as is_portable_zone
    from novaql.text.unicode import valid_text as valid_text
else:
    from novaql.lazy_exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "excerpts": "excerpt",
            "floats": "float_tokens",
            "go_text": "go_number parse_go_float",
            "labels": "series_text",
            "numbers": "number_text",
            "times": "duration_text is_portable_zone",
            "unicode": "valid_text",
        },
    )
