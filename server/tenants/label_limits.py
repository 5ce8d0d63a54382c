"""Limits of the settings for labels, received or generated."""

from __future__ import annotations

from novaql.inputs import LabelLimits
from novaql.server.settings import Settings


def label_limits(settings: Settings) -> LabelLimits:
    """Return the limits of one message, and of labels that relabelling generates."""
    return LabelLimits(
        labels=settings.max_labels,
        name_bytes=settings.max_label_name_bytes,
        value_bytes=settings.max_label_value_bytes,
        series=settings.max_write_series,
    )
