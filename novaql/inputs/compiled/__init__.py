"""What the compiled readers of text and of remote write share: a hash table of texts.

Each format has its own walk beside its reader in Python (`remote_write/walk_kernels.py`,
`text/walk_kernels.py`). A walk handles the usual shape of its input. It leaves everything else to
the reader in Python, which also finds the errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from novaql.inputs.compiled.compiling import prepare_in_background as prepare_in_background
else:
    from novaql.lazy_exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "compiling": ("prepare_in_background",),
        },
    )
