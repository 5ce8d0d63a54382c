"""What the settings allow of labels that come in or are made."""

from __future__ import annotations

from novaql.inputs import LabelLimits
from novaql.server.settings import Settings


def label_limits(settings: Settings) -> LabelLimits:
    """Bounds on one message, and on labels that relabelling makes."""
    return LabelLimits(
        labels=settings.max_labels,
        name_bytes=settings.max_label_name_bytes,
        value_bytes=settings.max_label_value_bytes,
        series=settings.max_write_series,
    )
