"""The registry of the compiled walks of remote write and of exposed text."""

from __future__ import annotations

from novaql.tsdb.runtime.compiled import Registry

WALKS = Registry(
    "walks",
    package=__package__,
    modules=(".kernels", ".text_kernels"),
    shared=(".kernels",),
    worth=64 << 20,
)
"""worth: bytes that the plain decoders read in about the time that loading takes."""
