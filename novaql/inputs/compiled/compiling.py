"""The registry of the compiled walks of remote write, OTLP and exposed text."""

from __future__ import annotations

from novaql.tsdb.runtime.compiled import Registry

WALKS = Registry(
    "walks",
    package="novaql.inputs",
    modules=(
        ".compiled.text_table_kernels",
        ".remote_write.walk_kernels",
        ".remote_write.walk_kernels_2",
        ".text.walk_kernels",
        ".otlp.scan_kernels",
        ".otlp.walk_kernels",
    ),
    shared=(
        ".compiled.text_table_kernels",
        ".remote_write.walk_kernels",
        ".otlp.limits",
        ".otlp.scan_kernels",
    ),
    worth=64 << 20,
)
"""worth: bytes that the plain decoders read in about the time that loading takes."""
