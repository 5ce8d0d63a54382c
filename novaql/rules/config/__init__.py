"""Prometheus's configuration file: its specification, and the check of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from novaql.rules.config.fields import OPAQUE_DISCOVERIES as OPAQUE_DISCOVERIES
    from novaql.rules.config.reading import read_config_file as read_config_file
else:
    from novaql.lazy_exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "fields": "OPAQUE_DISCOVERIES",
            "reading": "read_config_file",
        },
    )
