"""Remote write by compiled code: messages are walked, label bytes looked up, texts kept as numbers.

`decoder` puts it together; the decoder of remote write uses it once it is `ready`, and the plain
decoder before, without numba, and for every message of an unusual shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from novaql.inputs.wire.compiling import prepare_in_background as prepare_in_background
else:
    from novaql.lazy_exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "compiling": ("prepare_in_background",),
        },
    )
