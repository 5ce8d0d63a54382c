"""What is made of exposed metrics beyond the samples as they stand there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExposedOptions:
    """How text and protobuf of targets are read.

    native_histograms  ask targets for the protobuf format first, in which alone they expose native
                       histograms (files are what they are)
    always_classic     keep the `_bucket`, `_count` and `_sum` series of a histogram that is native
                       too, or is made native by `convert_classic`
    convert_classic    make classic histograms native ones with custom buckets
    start_timestamps   True: keep the times at which counting began, the protobuf format's and those
                       of `_created` lines of OpenMetrics, which are then no series of their own;
                       None: only the protobuf format's; False: none
    """

    native_histograms: bool = False
    always_classic: bool = False
    convert_classic: bool = False
    start_timestamps: bool | None = None


AS_EXPOSED = ExposedOptions()
"""Times, names and histograms as the target exposes them."""
