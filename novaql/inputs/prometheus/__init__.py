"""Data of Prometheus: its data directory, its chunks, and remote read as a client."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from novaql.inputs.prometheus.chunk_bytes import Encoding as Encoding
    from novaql.inputs.prometheus.histogram_encode import encode_histograms as encode_histograms
    from novaql.inputs.prometheus.histogram_encode import spans as spans
    from novaql.inputs.prometheus.histogram_encode import whole_histograms as whole_histograms
    from novaql.inputs.prometheus.xor_encode import chunk_starts as chunk_starts
    from novaql.inputs.prometheus.xor_encode import encode_xor as encode_xor
else:
    from novaql.lazy_exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "chunk_bytes": "Encoding",
            "histogram_encode": "encode_histograms spans whole_histograms",
            "xor_encode": "chunk_starts encode_xor",
        },
    )
